/**
 * The plane in which a path moves most: its first two principal components. A path has few points in many dimensions,
 * so they are found from the points' products with each other, by power iteration.
 */

export interface Projection {
  points: [number, number][];
  /** Which part of the whole movement each direction shows, 0 to 1. */
  shares: [number, number];
}

const ITERATIONS = 50;

export function project(vectors: number[][]): Projection {
  const gram = centredProducts(vectors);
  const total = gram.reduce((sum, row, i) => sum + row[i]!, 0) || 1;
  const across = takeComponent(gram);
  const up = takeComponent(gram);
  return {
    points: vectors.map((_, i) => [across.along[i]!, up.along[i]!]),
    shares: [across.size / total, up.size / total],
  };
}

/** [i][j]: the product of points i and j, as seen from the middle of all points. */
function centredProducts(vectors: number[][]): number[][] {
  const width = vectors[0]?.length ?? 0;
  const mean = Array.from({ length: width }, (_, k) => vectors.reduce((sum, vector) => sum + vector[k]!, 0) / vectors.length);
  const centred = vectors.map((vector) => vector.map((x, k) => x - mean[k]!));
  const products = centred.map(() => new Array<number>(centred.length));
  for (let i = 0; i < centred.length; i++) {
    for (let j = 0; j <= i; j++) products[i]![j] = products[j]![i] = dot(centred[i]!, centred[j]!);
  }
  return products;
}

/** The largest component, which is taken out of the products: how much movement it has, where each point lies on it. */
function takeComponent(gram: number[][]): { size: number; along: number[] } {
  // The largest row is never at right angles to the component, as a random start could be.
  let axis = gram.reduce((a, b) => (dot(b, b) > dot(a, a) ? b : a)).slice();
  let size = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    const length = Math.sqrt(dot(axis, axis)) || 1;
    const unit = axis.map((x) => x / length);
    axis = gram.map((row) => dot(row, unit));
    size = Math.sqrt(dot(axis, axis));
  }
  if (size === 0) return { size, along: axis };
  // A component has no sign of its own; the path always starts on the left, so that it does not flip while it grows.
  const sign = axis[0]! > 0 ? -1 : 1;
  const unit = axis.map((x) => (sign * x) / size);
  gram.forEach((row, i) => row.forEach((_, j) => (row[j]! -= size * unit[i]! * unit[j]!)));
  return { size, along: unit.map((x) => x * Math.sqrt(size)) };
}

function dot(a: number[], b: number[]): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
