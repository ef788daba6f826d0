/** Numbers and tokens as people read them. */

export function bytes(n: number): string {
  if (n === 0) return 'size unknown';
  const units = ['bytes', 'KB', 'MB', 'GB'];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export function count(n: number): string {
  return n >= 1e9 ? `${(n / 1e9).toFixed(1)} B` : n >= 1e5 ? `${(n / 1e6).toPrecision(2)} M` : n.toLocaleString('en');
}

export function milliseconds(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

export function percent(p: number): string {
  const number = p > 0.995 && p < 1 ? '>99' : p < 0.005 ? '<1' : Math.round(p * 100);
  return `${number}\u00a0%`;
}

/** With a true minus and its sign. */
export function signed(x: number, digits = 2): string {
  return `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(digits)}`;
}

export function steps(n: number): string {
  return n === 1 ? '1 step' : `${n} steps`;
}

/** A token whose characters can be seen. */
export function visible(text: string): string {
  return text.replace(/\n/g, '↵').replace(/\t/g, '⇥');
}

/** A token in a sentence. */
export function quoted(text: string | undefined): string {
  return text ? `“${visible(text)}”` : 'the end';
}
