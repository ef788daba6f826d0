/** What all charts share: a title, a line that explains it, and the width they have. */

import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface Props {
  title: string;
  line: ComponentChildren;
  children: ComponentChildren;
}

export function Chart({ title, line, children }: Props) {
  return (
    <figure class="chart">
      <figcaption><h3>{title}</h3><p>{line}</p></figcaption>
      {children}
    </figure>
  );
}

/** The width of an element, so that charts are drawn in real pixels and their text never shrinks. */
export function useWidth<T extends Element>(): [RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(320);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** A linear scale. */
export function scale([from, to]: [number, number], [start, end]: [number, number]): (x: number) => number {
  const span = to - from || 1;
  return (x) => start + ((x - from) / span) * (end - start);
}

export function polyline(points: [number, number][]): string {
  return points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
}
