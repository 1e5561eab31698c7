// An echo server with node.
//
//     node.js PORT
const net = require('net');

net.createServer({ noDelay: true }, (client) => {
  client.on('error', () => client.destroy());
  client.pipe(client);
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
