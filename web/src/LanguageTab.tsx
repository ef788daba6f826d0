import { Answer } from './ask/Answer.tsx';
import { Ask } from './ask/Ask.tsx';
import { count, milliseconds } from './lib/format.ts';
import { Compare } from './panels/Compare.tsx';
import { Control } from './panels/Control.tsx';
import { Models } from './panels/Models.tsx';
import { Status } from './panels/Status.tsx';
import { config, language } from './state/model.ts';
import { speed } from './state/run.ts';
import { Watch } from './watch/Watch.tsx';

export function LanguageTab() {
  return (
    <>
      <main>
        <div class="water-column">
          <Ask />
          <Answer />
          <Watch />
          <Compare />
        </div>
        <aside>
          <Control />
          <Models of={language} hint="CosmicFish-HRM models: config.json, model.safetensors, tokenizer.json."><Dimensions /></Models>
        </aside>
      </main>
      <Instruments />
    </>
  );
}

function Dimensions() {
  if (!config.value) return null;
  const { nParameters, maxSteps, blockSize } = config.value;
  return <>{count(nParameters)} parameters, at most {maxSteps} steps, window of {blockSize} tokens</>;
}

function Instruments() {
  const { tokensPerSecond, msPerStep } = speed.value;
  return (
    <Status of={language}>
      <div><dt>Tokens/s</dt><dd data-testid="speed">{tokensPerSecond ? tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0) : '–'}</dd></div>
      <div><dt>A step takes</dt><dd data-testid="step-time">{msPerStep === undefined ? '–' : milliseconds(msPerStep)}</dd></div>
    </Status>
  );
}
