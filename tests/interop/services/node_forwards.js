// A service of Node's own http that passes each request on. OpenTelemetry alone knows of baggage.
'use strict';

const {NodeTracerProvider} = require('@opentelemetry/sdk-trace-node');
const {registerInstrumentations} = require('@opentelemetry/instrumentation');
const {HttpInstrumentation} = require('@opentelemetry/instrumentation-http');

new NodeTracerProvider().register();
registerInstrumentations({instrumentations: [new HttpInstrumentation()]});
const http = require('http');

const {SERVICE_FD, NEXT} = process.env;

const server = http.createServer((request, response) => {
  const asked = new URL(request.url, 'http://localhost');
  if (asked.pathname === '/health-check') {
    response.end('OK');
    return;
  }
  http.get(asked.searchParams.get('to') || process.env[NEXT], (answer) => {
    response.writeHead(answer.statusCode);
    answer.pipe(response);
  }).on('error', (error) => {
    response.writeHead(502);
    response.end(String(error));
  });
});
const where = SERVICE_FD ? {fd: Number(SERVICE_FD)} : {port: 0, host: '127.0.0.1'};
server.listen(where, () => process.stdout.write(`${server.address().port}\n`));
