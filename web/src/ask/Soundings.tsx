/** A line of text with the depth of every token hanging under it, like soundings dropped to the sea floor. */

import { useMemo } from 'preact/hooks';
import { tint } from '../lib/depth.ts';
import { quoted, steps, visible } from '../lib/format.ts';
import { vars } from '../lib/vars.ts';

export interface Sounding {
  text: string;
  token?: number;
  /** The last one may still be sinking. */
  depth: number;
  sinking?: boolean;
}

/** Answers with more tokens take several lines, and those must not fill the screen. */
const LONG = 24;

interface Props {
  soundings: Sounding[];
  deepest: number;
  /** Without it, the tokens are only shown. */
  onChoose?: (place: number) => void;
  chosen?: { place: number; step: number };
  label: string;
  testId: string;
}

export function Soundings({ soundings, deepest, onChoose, chosen, label, testId }: Props) {
  const chooseAt = (event: Event) => {
    const place = (event.target as Element).closest<HTMLElement>('[data-place]')?.dataset.place;
    if (place) onChoose?.(Number(place));
  };
  const chooseByKey = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const from = chosen?.place ?? 0;
    const last = soundings.length - 1;
    const to = new Map([['ArrowLeft', Math.max(0, from - 1)], ['ArrowRight', Math.min(last, from + 1)], ['Home', 0], ['End', last]]).get(event.key);
    if (to === undefined || !onChoose) return;
    event.preventDefault();
    onChoose(to);
    event.currentTarget.querySelector<HTMLElement>(`[data-place="${to}"]`)?.focus();
  };
  return (
    <div class={soundings.length > LONG ? 'soundings long' : 'soundings'} style={vars({ '--deepest': deepest, '--count': Math.max(1, soundings.length) })}>
      <Scale deepest={deepest} />
      <div class="transect" role="group" aria-label={label} data-testid={testId} onClick={chooseAt} onKeyDown={chooseByKey}>
        {soundings.map((sounding, place) => (
          <Column
            key={place}
            {...sounding}
            place={place}
            deepest={deepest}
            before={soundings[place - 1]?.depth ?? sounding.depth}
            after={soundings[place + 1]?.depth ?? sounding.depth}
            step={chosen?.place === place ? chosen.step : undefined}
            reachable={(chosen?.place ?? 0) === place}
            active={onChoose !== undefined}
          />
        ))}
      </div>
    </div>
  );
}

interface ColumnProps extends Sounding {
  place: number;
  deepest: number;
  before: number;
  after: number;
  /** The step that is looked at, if it is one of this token. */
  step: number | undefined;
  reachable: boolean;
  active: boolean;
}

function Column({ text, token, depth, sinking, place, deepest, before, after, step, reachable, active }: ColumnProps) {
  // A column that did not change is not drawn again: an answer may have a hundred of them.
  return useMemo(() => {
    const chip = tint(depth, deepest);
    const style = vars({ '--d': depth, '--before': before, '--after': after, '--step': step ?? 0 });
    const inside = (
      <>
        <span class={`chip ${chip.class}`} style={chip.style}>{visible(text)}</span>
        <i class="water" />
        <i class="line" />
        {step !== undefined && <i class="lead" />}
      </>
    );
    if (sinking) return <span class="sounding sinking" style={style} data-testid="thinking">{inside}</span>;
    const common = {
      class: `sounding ${text === '' ? 'silent' : ''}`, style,
      'data-testid': 'token', 'data-depth': depth, 'data-token': token, 'data-place': place,
    };
    if (!active) return <span {...common} role="img" aria-label={`${quoted(text)}, ${steps(depth)}`}>{inside}</span>;
    return (
      <button
        {...common}
        type="button"
        tabIndex={reachable ? 0 : -1}
        aria-pressed={step !== undefined}
        aria-label={`${quoted(text)}, ${steps(depth)}`}
      >
        {inside}
      </button>
    );
  }, [text, token, depth, sinking, place, deepest, before, after, step, reachable, active]);
}

/** The depth scale at the left, in the black and white of a chart's border. */
function Scale({ deepest }: { deepest: number }) {
  const marks = [...new Set([0.25, 0.5, 0.75, 1].map((part) => Math.round(deepest * part)))].filter((mark) => mark > 0);
  return (
    <div class="scale" aria-hidden="true">
      {marks.map((mark) => <span key={mark} style={vars({ '--d': mark })}>{mark}</span>)}
    </div>
  );
}
