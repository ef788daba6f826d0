/** Files of tensors: eight bytes that tell the length of a JSON header, the header, the numbers. */

/** The tensors of a file, `{ dtype, shape, bytes }` by name. */
export function readTensors(file) {
  const start = 8 + Number(file.readBigUInt64LE());
  const { __metadata__, ...header } = JSON.parse(file.toString('utf8', 8, start));
  const tensor = ({ dtype, shape, data_offsets: [from, to] }) => {
    return { dtype, shape, bytes: file.subarray(start + from, start + to) };
  };
  return Object.fromEntries(Object.entries(header).map(([name, about]) => [name, tensor(about)]));
}

/** A file of such tensors. */
export function writeTensors(tensors) {
  let end = 0;
  const header = {};
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc(-text.length & 7, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

/** The numbers of a tensor of 32 bits, in rows where it has two dimensions. */
export function numbersOf({ dtype, shape, bytes }) {
  const read = dtype === 'F32' ? (at) => bytes.readFloatLE(at) : (at) => bytes.readInt32LE(at);
  const flat = Array.from({ length: bytes.length / 4 }, (_, i) => read(4 * i));
  if (shape.length < 2) return flat;
  return Array.from({ length: shape[0] }, (_, i) => flat.slice(i * shape[1], (i + 1) * shape[1]));
}
