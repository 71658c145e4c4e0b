/**
 * Two listeners for fixtures: a TCP proxy that records every Remoting frame in both directions, and a tiny server that answers frames
 * by a function (it plays name server when a real broker registers).
 */
import net from 'node:net';
import { encodeFrame, FLAG_RESPONSE, FrameSplitter } from './raw-remoting.js';
export async function startCaptureProxy(options) {
  const frames = [];
  let connections = 0;
  const listener = await listen(options.port, options.host ?? '127.0.0.1', (client, sockets) => {
    const connection = connections++;
    const server = net.connect({ port: options.targetPort, host: '127.0.0.1', noDelay: true });
    sockets.add(server);
    relay(client, server, (frame) => frames.push({ from: 'client', connection, frame }));
    relay(server, client, (frame) => frames.push({ from: 'server', connection, frame }));
  });
  return { ...listener, frames };
}
/** Pairs each request with its response by connection and opaque, in the order of the requests. */
export function exchangesOf(frames) {
  const exchanges = [];
  for (const [index, asked] of frames.entries()) {
    if ((asked.frame.header.flag & FLAG_RESPONSE) !== 0) {
      continue;
    }
    const answer = frames.find(
      (other, at) =>
        at > index &&
        other.connection === asked.connection &&
        other.from !== asked.from &&
        (other.frame.header.flag & FLAG_RESPONSE) !== 0 &&
        other.frame.header.opaque === asked.frame.header.opaque,
    );
    if (answer !== undefined) {
      exchanges.push({ askedBy: asked.from, request: asked.frame, response: answer.frame });
    }
  }
  return exchanges;
}
/** Answers every two-way request with what `answer` returns (without opaque and flag: those are filled in). */
export async function startFrameServer(port, answer) {
  const received = [];
  const listener = await listen(port, '127.0.0.1', (socket) => {
    const splitter = new FrameSplitter();
    socket.on('data', (chunk) => {
      for (const frame of splitter.push(chunk)) {
        received.push(frame);
        if ((frame.header.flag & 2) === 0) {
          socket.write(encodeFrame({ ...answer(frame), opaque: frame.header.opaque, flag: FLAG_RESPONSE }));
        }
      }
    });
  });
  return { ...listener, received };
}
function relay(from, to, onFrame) {
  const splitter = new FrameSplitter();
  from.on('data', (chunk) => {
    splitter.push(chunk).forEach(onFrame);
    to.write(chunk);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.end());
}
async function listen(port, host, onConnection) {
  const sockets = new Set();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    onConnection(socket, sockets);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    sockets.forEach((socket) => socket.destroy());
    await closed;
  };
  const address = server.address();
  return { port: address !== null && typeof address === 'object' ? address.port : port, close };
}
