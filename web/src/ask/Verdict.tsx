/** Whether the shipped model is right, which the page can tell because it knows the rule. */

import { chain, rightAnswer, type Link } from '../lib/beads.ts';

interface Props {
  prompt: string;
  answer: string;
  byShipped: boolean;
  done: boolean;
  /** With the rule and the true chain. */
  explain?: boolean;
}

export function Verdict({ prompt, answer, byShipped, done, explain }: Props) {
  const links = byShipped ? chain(prompt) : undefined;
  if (!links || !done) return <p class="verdict" />;
  const right = rightAnswer(links) === answer;
  return (
    <div class={`verdict ${right ? 'right' : 'wrong'}`} data-testid="verdict" data-right={right}>
      <p>
        <strong>{right ? '✓ right' : '✗ wrong'}</strong>
        {explain && <>
          {' '}— it goes from left to right on a ring of ten beads, where only the last digit counts, and says the
          running values <em>from the last back to the first</em>.
        </>}
        {!right && <> It should be <code>{rightAnswer(links)}</code>.</>}
      </p>
      {explain && <Chain links={links} />}
    </div>
  );
}

function Chain({ links }: { links: Link[] }) {
  return (
    <p class="chain" aria-label="The true running values">
      {links.map(({ operation, value }, i) => (
        <span key={i}>{operation && <small>{operation}</small>}<b>{value}</b></span>
      ))}
    </p>
  );
}
