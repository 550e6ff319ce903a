// A gateway in miniature: the page's files and just enough of the HTTP API, from memory. The page is developed and
// tested against it; the same test runs against a real gateway when RAGMESH_URL names one.
import {createServer} from 'node:http';
import {readFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';

const web = fileURLToPath(new URL('../../services/gateway/web/', import.meta.url));
const types = {'index.html': 'text/html; charset=utf-8', 'app.js': 'text/javascript', 'style.css': 'text/css', 'icon.svg': 'image/svg+xml'};
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const bytes = (text) => Buffer.byteLength(text);
const status = (code, reason, message) => ({code, message, details: [
  {'@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'ragmesh', metadata: {}}]});

export async function startMock() {
  const collections = new Map([['manuals', {description: 'Manuals of the plant', documents: new Map()}]]);
  const jobs = new Map();
  const seen = {cancelledAsks: 0};

  const json = (response, code, body) => {
    response.writeHead(code, {'Content-Type': 'application/json'});
    response.end(JSON.stringify(body));
  };

  async function body(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts);
  }

  function passages(documents, query) {
    const word = query.toLowerCase().split(/\W+/).filter((each) => each.length > 3).pop() || query.toLowerCase();
    const found = [];
    for (const document of documents.values()) {
      for (const match of document.text.matchAll(/[^.\n]+\./g)) {
        if (!match[0].toLowerCase().includes(word)) continue;
        const text = match[0].trimStart();
        const begin = bytes(document.text.slice(0, match.index + match[0].length - text.length));
        const n = found.length + 1;
        found.push({number: n, chunkId: `c${n}`, documentId: document.id, documentVersion: '1', documentName: document.name,
          headingPath: ['Pumps', 'Maintenance'], page: 2, range: {begin: String(begin), end: String(begin + bytes(text))}, text,
          score: 2 / n, scores: {dense: 0.8 / n, denseRank: n, fused: 1.2 / n, reranked: 2 / n,
            ...(n < 3 ? {lexical: 9.7 / n, lexicalRank: n} : {})}});
      }
    }
    return found;
  }

  async function ask(response, documents, question) {
    const send = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify({[name]: data})}\n\n`);
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    response.on('close', () => { if (!response.writableEnded) seen.cancelledAsks += 1; });
    const found = passages(documents, question);
    send('retrieval', {passages: found});
    if (question.includes('degraded')) {
      send('degraded', {stage: 'reranker', reason: 'STAGE_UNREACHABLE', message: 'The reranker is not there; passages are in the order of retrieval.'});
    }
    if (question.includes('forever')) {
      while (!response.destroyed) {
        send('token', {text: 'on and on '});
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return;
    }
    const supported = found.length ? `${found[0].text} [1]` : 'Not found in these documents.';
    const extra = found.length ? ' It is also painted blue.' : '';
    for (const piece of (supported + extra).match(/\S+\s*/g)) send('token', {text: piece});
    if (found.length) {
      send('citation', {number: 1, passage: 1, documentId: found[0].documentId, documentVersion: '1',
        documentName: found[0].documentName, page: 2, range: found[0].range, quote: found[0].text, support: 0.9});
    }
    const end = bytes(supported);
    send('answer', {text: supported + extra, kind: found.length ? 'ANSWER_KIND_GENERATED' : 'ANSWER_KIND_NOT_FOUND',
      sentences: [{range: {begin: '0', end: String(end)}, supported: true, support: 0.9, citations: [1]},
        ...(extra ? [{range: {begin: String(end), end: String(end + bytes(extra))}, supported: false, support: 0.1, citations: []}] : [])]});
    send('timings', {stages: [['embedder', '0.0081s'], ['vector-store', '0.0012s'], ['reranker', '0.041s'],
      ['generator', '1.84s'], ['first_token', '0.21s'], ['total', '1.92s']].map(([stage, duration]) => ({stage, duration}))});
    send('done', {finishReason: 'FINISH_REASON_STOP'});
    response.end();
  }

  async function upload(request, response, collection) {
    const raw = (await body(request)).toString('utf8');
    const name = /filename="([^"]*)"/.exec(raw)?.[1] || 'document';
    const text = /filename=[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(raw)?.[1] || '';
    const job = {id: `job${jobs.size + 1}`, collection: collection.name, state: 'JOB_STATE_QUEUED'};
    jobs.set(job.id, {job, name, text, collection});
    json(response, 202, {job, documentId: name});
  }

  async function watch(response, entry) {
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    const send = (name, data) => response.write(`event: ${name}\ndata: ${JSON.stringify({[name]: data})}\n\n`);
    const document = {documentId: entry.name, name: entry.name, chunksTotal: 4, chunksDone: 0, state: 'JOB_STATE_RUNNING'};
    send('job', {...entry.job, state: 'JOB_STATE_RUNNING'});
    if (entry.name.endsWith('.broken.pdf')) {
      send('document', {...document, state: 'JOB_STATE_FAILED', error: status(3, 'MALFORMED_DOCUMENT', 'page 3: the PDF is damaged')});
      response.end();
      return;
    }
    for (let done = 0; done <= 4; done += 1) {
      send('document', {...document, step: 'INGEST_STEP_EMBED', chunksDone: done});
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    entry.collection.documents.set(entry.name, {id: entry.name, version: '1', name: entry.name, text: entry.text,
      updated: '2026-11-23T08:00:00Z', info: {mediaType: 'text/plain', coverage: {pages: 0}}});
    send('document', {...document, state: 'JOB_STATE_SUCCEEDED', chunksDone: 4});
    send('job', {...entry.job, state: 'JOB_STATE_SUCCEEDED'});
    response.end();
  }

  function stages() {
    const stage = (name, more = {}) => ({info: {stage: name, version: '0.1.0', kernel: '', ready: true, notReadyReason: '', ...more.info},
      address: 'in process', reachable: true, latency: '0.0004s', error: '', ...more, ...(more.info ? {info: {stage: name, version: '0.1.0', ready: true, ...more.info}} : {})});
    return [stage('gateway'), stage('loader'), stage('splitter'),
      stage('embedder', {info: {kernel: 'avx2', model: {name: 'all-minilm-l6-v2'}}}),
      stage('vector-store', {info: {kernel: 'avx2'}}),
      {info: {stage: 'reranker'}, address: '127.0.0.1:7005', reachable: false, latency: '0s', error: 'connection refused'},
      stage('generator', {info: {ready: false, notReadyReason: 'MODEL_NOT_LOADED: run ragmesh models pull'}})];
  }

  async function api(request, response, path) {
    if (path === '/v1/collections' && request.method === 'GET') {
      return json(response, 200, {collections: [...collections].map(([name, each]) => ({name, description: each.description}))});
    }
    if (path === '/v1/collections') {
      const wanted = JSON.parse(await body(request));
      if (collections.has(wanted.name)) return json(response, 409, status(6, 'COLLECTION_EXISTS', `a collection named "${wanted.name}" exists`));
      collections.set(wanted.name, {...wanted, documents: new Map()});
      return json(response, 200, {collection: wanted});
    }
    if (path === '/v1/status') return json(response, 200, {stages: stages()});
    const job = /^\/v1\/jobs\/([^/]+):watch$/.exec(path);
    if (job) return watch(response, jobs.get(job[1]));
    const parts = /^\/v1\/collections\/([^/:]+)(?::(\w+)|\/documents(?::(upload))?(?:\/([^/]+))?)?$/.exec(path);
    const collection = parts && collections.get(parts[1]);
    if (!collection) return json(response, 404, status(5, 'COLLECTION_NOT_FOUND', 'no such collection'));
    const [, , verb, uploads, documentId] = parts;
    if (verb === 'ask') return ask(response, collection.documents, JSON.parse(await body(request)).question);
    if (verb === 'search') {
      const {query, explain} = JSON.parse(await body(request));
      const found = passages(collection.documents, query);
      const hit = {densePart: 0.42, lexicalPart: 0.78,
        terms: [{term: 'pump', occurrences: 1, idf: 2.1, frequency: 2, lengthNorm: 1.1, score: 1.35}]};
      const search = {denseListed: 4, lexicalListed: 3, candidates: 4, densePlan: 'exact scan', chunks: '4', allowed: '4',
        denseScale: {mean: 0.5, deviation: 0.1}, lexicalScale: {mean: 2, deviation: 0.7},
        steps: [{name: 'filter', duration: '0.000100s'}, {name: 'dense', duration: '0.002s'}]};
      return json(response, 200, {passages: explain ? found.map((one) => ({...one, explanation: hit})) : found, degraded: [],
        timings: [{stage: 'embedder', duration: '0.008s'}, {stage: 'total', duration: '0.05s'}],
        ...(explain ? {explanation: search} : {})});
    }
    if (uploads) return upload(request, response, collection);
    if (documentId) {
      const document = collection.documents.get(decodeURIComponent(documentId));
      if (!document) return json(response, 404, status(5, 'DOCUMENT_NOT_FOUND', 'no such document'));
      if (request.method === 'DELETE') collection.documents.delete(document.id);
      return json(response, 200, request.method === 'DELETE' ? {chunks: '4'} : {document});
    }
    return json(response, 200, {documents: [...collection.documents.values()].map(({text, ...rest}) => rest), nextPageToken: ''});
  }

  const server = createServer(async (request, response) => {
    response.setHeader('Content-Security-Policy', policy);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const path = request.url.split('?')[0];
    const file = path === '/' ? 'index.html' : path.slice(1);
    if (types[file]) {
      response.setHeader('Content-Type', types[file]);
      return response.end(await readFile(web + file));
    }
    return api(request, response, path);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {url: `http://127.0.0.1:${server.address().port}`, seen,
    close: () => { server.closeAllConnections(); server.close(); }};
}
