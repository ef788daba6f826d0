/** Boards, and the words of the models' cells. */

/** Rows and columns of a box. */
export const boxOf = (side: number): [number, number] => (side === 6 ? [2, 3] : [Math.sqrt(side), Math.sqrt(side)]);

/** 0: padding, 1: a blank, then the digits. */
export const digitOf = (token: number): number => Math.max(0, token - 1);

export const placeOf = (cell: number, side: number): string => `row ${Math.floor(cell / side) + 1} column ${(cell % side) + 1}`;

export const segmentsOf = (n: number): string => (n === 1 ? '1 segment' : `${n} segments`);
