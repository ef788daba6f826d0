/** A server of model files that can be told to misbehave, on another origin than the page. */
import { listen } from './harness.mjs';

const ALLOW = { 'Access-Control-Allow-Origin': '*' };

/** `files` by name; the tests change the other fields. */
export class ModelServer {
  /** What was asked for, as `GET model.safetensors 400000-`. */
  requests = [];
  /** What answers the next GET requests of a file, in their order; after that all goes well. `always` never ends. */
  script = {};
  always = {};
  etag = '"one"';
  /** What other origins may do and read. */
  cors = { ...ALLOW, 'Access-Control-Expose-Headers': 'ETag, Content-Range, Content-Encoding' };
  /** Answers HEAD requests, if they are not answered like GET. */
  head = undefined;
  /** Answers requests for files that are not there. */
  missing = (request, response) => response.writeHead(404, this.cors).end('no such file');

  constructor(files) {
    this.files = files;
  }

  async start() {
    const { origin, close } = await listen((request, response) => this.#answer(request, response));
    this.folder = `${origin}/models/tiny/`;
    this.stop = close;
    return this;
  }

  /** The requests since the last call. */
  asked() {
    return this.requests.splice(0);
  }

  #answer(request, response) {
    const name = new URL(request.url, 'http://localhost').pathname.split('/').at(-1);
    const range = request.headers.range?.replace('bytes=', ' ') ?? '';
    this.requests.push(`${request.method} ${name}${range}`);
    const body = this.files[name];
    if (!body) return this.missing(request, response);
    if (request.method === 'OPTIONS') return response.writeHead(405).end();
    if (request.method === 'HEAD') return (this.head ?? whole)(request, response, body, this);
    const answer = this.script[name]?.shift() ?? this.always[name] ?? whole;
    return answer(request, response, body, this);
  }
}

/** Sends the head of a right answer, and returns the body that belongs to it. */
function begin(request, response, body, server, overrides = {}) {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const rest = body.subarray(Number(from ?? 0));
  const headers = { ...server.cors, 'Content-Length': rest.length, ETag: server.etag };
  if (from) headers['Content-Range'] = `bytes ${from}-${body.length - 1}/${body.length}`;
  response.writeHead(from ? 206 : 200, { ...headers, ...overrides });
  return rest;
}

/** All is well. */
export function whole(request, response, body, server) {
  const rest = begin(request, response, body, server);
  response.end(request.method === 'HEAD' ? undefined : rest);
}

/** Sends a part of what it should, then closes the connection. */
export const cutAfter = (bytes, overrides) => (request, response, body, server) => {
  const rest = begin(request, response, body, server, overrides);
  // The browser throws away what it has not handed on yet when a connection breaks, so it gets time for it.
  response.write(rest.subarray(0, bytes), () => setTimeout(() => response.destroy(), 300));
};

/** Sends a part of what it should, then nothing more. */
export const stallAfter = (bytes) => (request, response, body, server) => {
  response.write(begin(request, response, body, server).subarray(0, bytes));
};

/** Does not know of ranges. */
export const ignoreRange = (request, response, body, server) => {
  delete request.headers.range;
  whole(request, response, body, server);
};

/** Promises `total` bytes in all, and sends `bytes` of it, followed by whatever is missing for that. */
export const promise = (total, bytes) => (request, response, body, server) => {
  const from = Number(request.headers.range?.slice('bytes='.length, -1) ?? 0);
  const headers = { 'Content-Length': bytes, 'Content-Range': `bytes ${from}-${total - 1}/${total}` };
  begin(request, response, body, server, headers);
  response.end(Buffer.concat([body.subarray(from), Buffer.alloc(bytes)]).subarray(0, bytes));
};

/** Answers with this and nothing else. */
export const status = (code, headers = {}) => (request, response, body, server) =>
  response.writeHead(code, { ...server.cors, ...headers }).end();
