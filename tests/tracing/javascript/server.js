// A server that Zipkin's own tracer for JavaScript traces. Reports to the URL that it is given, and
// writes its port to its output.
'use strict';

const http = require('http');
const {BatchRecorder, ExplicitContext, Instrumentation, Tracer, jsonEncoder, option} = require('zipkin');

const [collector, serviceName] = process.argv.slice(2);

const logger = {
  logSpan(span) {
    const body = `[${jsonEncoder.JSON_V2.encode(span)}]`;
    const headers = {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body)};
    http.request(`${collector}/api/v2/spans`, {method: 'POST', headers}, (answer) => answer.resume())
      .end(body);
  },
};
const tracer = new Tracer({
  ctxImpl: new ExplicitContext(),
  recorder: new BatchRecorder({logger}),
  localServiceName: serviceName,
});

// This tracer reads B3 in several headers; the single one it has to be told.
function single(value) {
  const [traceId, spanId, sampled, parentId] = value.split('-');
  const flags = sampled === 'd' ? '1' : undefined;
  return {
    'x-b3-traceid': traceId,
    'x-b3-spanid': spanId,
    'x-b3-sampled': flags ? undefined : sampled,
    'x-b3-flags': flags,
    'x-b3-parentspanid': parentId,
  };
}

const server = http.createServer((request, response) => tracer.scoped(() => {
  const told = request.headers.b3 ? single(request.headers.b3) : request.headers;
  const instrumentation = new Instrumentation.HttpServer({tracer, port: server.address().port});
  const id = instrumentation.recordRequest(request.method, request.url, (name) => {
    const value = told[name.toLowerCase()];
    return value === undefined ? option.None : new option.Some(value);
  });
  response.end('done', () => tracer.scoped(() => instrumentation.recordResponse(id, 200)));
}));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
