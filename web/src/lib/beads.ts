/**
 * What the shipped model was trained for: it calculates left to right on a ring of ten beads. The page knows the
 * rule, so it can tell whether an answer is right.
 */

export interface Example {
  label: string;
  prompt: string;
}

/** From easy to hard; the last one forgets everything before its `*0`. */
export const BEADS_EXAMPLES: Example[] = [
  { label: '7+5=', prompt: '7+5=' },
  { label: '7+5-3*4=', prompt: '7+5-3*4=' },
  { label: '10 operations', prompt: '3+8-2*7+5-9+4*3-6+8-1=' },
  { label: '16 operations', prompt: '4+7+0+6+5+9+2-8+9+5+4-4-0-2-7*9*7=' },
  { label: 'a ×0 inside', prompt: '6-4+5+8-5+5*0+3-2-5+9=' },
];

export const TEXT_EXAMPLES: Example[] = [
  { label: 'A story', prompt: 'Once upon a time' },
  { label: 'A fact', prompt: 'The capital of France is' },
  { label: 'A list', prompt: 'The days of the week are Monday,' },
];

/** One operation and the running value behind it. */
export interface Link {
  operation: string;
  value: number;
}

const WELL_FORMED = /^\d([+\-*]\d){1,16}=$/;

/** The running values of a prompt, the first digit first; nothing where the model was never taught such a prompt. */
export function chain(prompt: string): Link[] | undefined {
  if (!WELL_FORMED.test(prompt)) return undefined;
  let value = Number(prompt[0]);
  const links: Link[] = [{ operation: '', value }];
  for (const [operation, sign, digit] of prompt.matchAll(/([+\-*])(\d)/g)) {
    const by = Number(digit);
    const result = sign === '+' ? value + by : sign === '-' ? value - by : value * by;
    value = ((result % 10) + 10) % 10;
    links.push({ operation, value });
  }
  return links;
}

/** The answer that the chain asks for: its values from the last to the first. */
export function rightAnswer(links: Link[]): string {
  return links.map((link) => link.value).reverse().join('');
}

/** Why the shipped model cannot be expected to answer this, in a sentence. */
export function unfitFor(prompt: string): string | undefined {
  if (prompt === '' || WELL_FORMED.test(prompt)) return undefined;
  if (/[^0-9+\-*=]/.test(prompt)) return 'This model knows only the digits and + - * =.';
  if (WELL_FORMED.test(`${prompt}=`)) return 'End with = and it will answer.';
  return 'It was taught 1 to 16 operations on single digits, closed by =, like 7+5-3*4=.';
}

/** A prompt in the proportions of its training: `+` and `-` twice as often as `*`. */
export function randomPrompt(): string {
  const digit = () => Math.floor(Math.random() * 10);
  const operations = 1 + Math.floor(Math.random() * 16);
  let prompt = `${digit()}`;
  for (let i = 0; i < operations; i++) prompt += '++--*'[Math.floor(Math.random() * 5)]! + digit();
  return `${prompt}=`;
}
