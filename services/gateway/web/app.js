// The page over the gateway's HTTP API. Whatever comes from documents or models is put on the page as text nodes, never
// as markup.

const byId = (id) => document.getElementById(id);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

// ---- Small pieces ----

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const child of children) if (child !== null && child !== undefined && child !== '') node.append(child);
  return node;
}

// "1.25s" (proto3 JSON Duration) in words.
function duration(text) {
  const seconds = parseFloat(text || '0');
  if (seconds < 0.0995) return `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms`;
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(0)} s`;
}

function score(value, digits = 3) {
  return value === undefined ? '–' : Number(value).toFixed(digits);
}

const reasonOf = (status) =>
  (status.details || []).find((detail) => (detail['@type'] || '').endsWith('google.rpc.ErrorInfo'))?.reason;

// A google.rpc.Status as one sentence, with what to do next.
function sentence(status) {
  const help = (status.details || []).find((detail) => (detail['@type'] || '').endsWith('google.rpc.Help'));
  const next = help?.links?.[0]?.description;
  const message = status.message || reasonOf(status) || 'The request failed.';
  return next ? `${message} — ${next}` : message;
}

class ApiError extends Error {
  constructor(status) {
    super(sentence(status));
    this.status = status;
  }
}

function notice(message) {
  const box = byId('notice');
  box.textContent = message;
  box.hidden = !message;
}

async function failure(response) {
  let status = {message: `The gateway answered ${response.status} ${response.statusText}`};
  try {
    status = await response.json();
  } catch { /* a proxy's page, not ours */ }
  return new ApiError(status);
}

async function call(method, path, body, signal) {
  const request = {method, signal, headers: {}};
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers['Content-Type'] = 'application/json';
  }
  const response = await fetch(path, request);
  if (!response.ok) throw await failure(response);
  return response.json();
}

// Calls back with (event, data) for each server-sent event until the stream ends. An `error` event is thrown.
async function stream(method, path, body, signal, onEvent) {
  const response = await fetch(path, {
    method,
    signal,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: {'Accept': 'text/event-stream', 'Content-Type': 'application/json'},
  });
  if (!response.ok) throw await failure(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  while (true) {
    const {value, done} = await reader.read();
    if (done) return;
    held += value;
    let end;
    while ((end = held.indexOf('\n\n')) >= 0) {
      const lines = held.slice(0, end).split('\n');
      held = held.slice(end + 2);
      let event = 'message';
      let data = '';
      for (const line of lines) {
        if (line.startsWith('event: ')) event = line.slice(7);
        if (line.startsWith('data: ')) data += line.slice(6);
      }
      if (!data) continue;
      const parsed = JSON.parse(data);
      if (event === 'error') throw new ApiError(parsed);
      onEvent(event, parsed);
    }
  }
}

const segment = encodeURIComponent;
const collectionPath = (name = collection()) => `/v1/collections/${segment(name)}`;

function showTimings(list, entries) {
  list.replaceChildren(...entries.map((entry) => element('div', {},
    element('dt', {textContent: entry.stage.replace('_', ' ')}),
    element('dd', {textContent: duration(entry.duration)}))));
}

function degradedNote(degraded) {
  return element('p', {className: 'note', textContent: degraded.message || `${degraded.stage}: ${degraded.reason}`});
}

// ---- Views ----

const tabs = [...document.querySelectorAll('[role=tab]')];
const onShow = {documents: () => listDocuments(), status: () => showStatus()};

function show(name, focus = false) {
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
    byId(tab.getAttribute('aria-controls')).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  notice('');
  onShow[name]?.();
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener('click', () => { location.hash = `#/${tab.id.slice(4)}`; });
  tab.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    const target = event.key === 'Home' ? 0 : event.key === 'End' ? tabs.length - 1
      : step === undefined ? undefined : (index + step + tabs.length) % tabs.length;
    if (target === undefined) return;
    event.preventDefault();
    location.hash = `#/${tabs[target].id.slice(4)}`;
    tabs[target].focus();
  });
}

// "#/search", or "#/documents/COLLECTION/DOCUMENT?range=BEGIN-END", which is how citations are linked to.
function followHash() {
  const [path, query] = location.hash.replace(/^#\//, '').split('?');
  const [view, ...rest] = path.split('/').map(decodeURIComponent);
  const known = tabs.some((tab) => tab.id === `tab-${view}`);
  show(known ? view : 'ask');
  if (view === 'documents' && rest.length === 2) {
    const [begin, end] = (new URLSearchParams(query).get('range') || '').split('-');
    openDocument(rest[0], rest[1], end ? {begin, end} : null);
  }
}
window.addEventListener('hashchange', followHash);

byId('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('theme', root.dataset.theme);
});
if (localStorage.getItem('theme')) document.documentElement.dataset.theme = localStorage.getItem('theme');

// ---- Collections ----

const collection = () => byId('collection').value;

async function listCollections(choose) {
  const {collections} = await call('GET', '/v1/collections');
  const wanted = choose || collection() || localStorage.getItem('collection');
  byId('collection').replaceChildren(...collections.map((entry) => element('option', {
    value: entry.name, textContent: entry.name, selected: entry.name === wanted,
    title: entry.description || entry.name,
  })));
  if (collections.length === 0) {
    byId('collection').append(element('option', {value: '', textContent: 'none yet'}));
    notice('There is no collection yet. Make one with the + button, then add documents to it.');
  }
}

byId('collection').addEventListener('change', () => {
  localStorage.setItem('collection', collection());
  byId('uploads').replaceChildren();
  followHash();
});
byId('new-collection').addEventListener('click', () => {
  byId('creator-form').reset();
  byId('creator-error').hidden = true;
  byId('creator').showModal();
});
byId('creator-cancel').addEventListener('click', () => byId('creator').close());
byId('creator-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const name = byId('creator-name').value;
  try {
    await call('POST', '/v1/collections',
      {name, description: byId('creator-description').value, language: byId('creator-language').value});
    await listCollections(name);
    localStorage.setItem('collection', name);
    byId('creator').close();
    notice('');
    followHash();
  } catch (error) {
    byId('creator-error').textContent = error.message;
    byId('creator-error').hidden = false;
  }
});

function needCollection() {
  if (collection()) return true;
  notice('Choose or make a collection first.');
  return false;
}

// ---- Ask ----

let asking = null;

// The text with each "[n]" as a button that opens its citation, and unsupported sentences marked.
function renderAnswer(state) {
  const box = byId('answer-text');
  const pieces = [];
  const put = (text, unsupported) => {
    for (const part of text.split(/(\[\d+\])/)) {
      const number = /^\[(\d+)\]$/.exec(part)?.[1];
      const citation = number && state.citations.get(Number(number));
      if (citation) {
        pieces.push(element('button', {className: 'cite', type: 'button', textContent: number,
          ariaLabel: `Source ${number}: ${citation.documentName}`, onclick: () => openCitation(citation)}));
      } else if (part) {
        const words = part.trimStart();
        pieces.push(part.slice(0, part.length - words.length), unsupported && words
          ? element('span', {className: 'unsupported', title: 'No passage supports this sentence', textContent: words})
          : words);
      }
    }
  };
  if (state.answer?.sentences?.length) {
    const bytes = encoder.encode(state.answer.text);
    let at = 0;
    for (const each of state.answer.sentences) {
      const begin = Number(each.range?.begin || 0), end = Number(each.range?.end || 0);
      put(decoder.decode(bytes.subarray(at, begin)), false);
      put(decoder.decode(bytes.subarray(begin, end)),
        !each.supported && state.answer.kind === 'ANSWER_KIND_GENERATED');
      at = end;
    }
    put(decoder.decode(bytes.subarray(at)), false);
  } else {
    put(state.text, false);
  }
  box.replaceChildren(...pieces);
}

function addCitation(state, citation) {
  if (state.citations.has(citation.number)) return;
  state.citations.set(citation.number, citation);
  const where = citation.page ? `${citation.documentName}, page ${citation.page}` : citation.documentName;
  byId('citations-box').hidden = false;
  byId('citations').append(element('li', {},
    element('span', {className: 'number', textContent: `[${citation.number}]`}),
    element('div', {},
      element('button', {className: 'link', type: 'button', textContent: where, onclick: () => openCitation(citation)}),
      element('blockquote', {textContent: citation.quote}))));
}

const openCitation = (citation) =>
  openDocument(citation.collection, citation.documentId, citation.range, citation.documentVersion);

const kinds = {
  ANSWER_KIND_GENERATED: 'Written by the model; marked sentences have no source.',
  ANSWER_KIND_EXTRACTIVE: 'Quoted from the documents.',
  ANSWER_KIND_NOT_FOUND: 'Not found in these documents.',
};

byId('ask-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!needCollection()) return;
  asking?.abort();
  const mine = asking = new AbortController();
  const state = {text: '', citations: new Map(), answer: null};
  const from = collection();
  notice('');
  for (const id of ['notes', 'answer-text', 'citations', 'timings']) byId(id).replaceChildren();
  byId('citations-box').hidden = true;
  byId('answer').hidden = false;
  byId('stop').hidden = false;
  byId('answer-state').textContent = 'Searching…';
  const handlers = {
    retrieval: ({retrieval}) => {
      const count = retrieval.passages.length;
      byId('answer-state').textContent = count === 1 ? 'Reading 1 passage…' : `Reading ${count} passages…`;
    },
    token: ({token}) => { state.text += token.text; renderAnswer(state); },
    citation: ({citation}) => { addCitation(state, {...citation, collection: from}); renderAnswer(state); },
    degraded: ({degraded}) => byId('notes').append(degradedNote(degraded)),
    answer: ({answer}) => { state.answer = answer; renderAnswer(state); },
    timings: ({timings}) => showTimings(byId('timings'), timings.stages),
    done: () => { byId('answer-state').textContent = kinds[state.answer?.kind] || 'Done.'; },
  };
  try {
    await stream('POST', `${collectionPath()}:ask`,
      {question: byId('question').value, mode: byId('mode').value}, mine.signal,
      (name, data) => { if (asking === mine) handlers[name]?.(data); });
  } catch (error) {
    if (asking !== mine) return;
    if (error.name === 'AbortError') {
      byId('answer-state').textContent = 'Stopped.';
    } else {
      byId('answer-state').textContent = '';
      notice(error.message);
      byId('answer').hidden = !state.text;
    }
  } finally {
    if (asking === mine) {
      asking = null;
      byId('stop').hidden = true;
    }
  }
});
byId('stop').addEventListener('click', () => { asking?.abort(); byId('question').focus(); });
byId('question').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    byId('ask-form').requestSubmit();
  }
});

// ---- A document with a passage marked ----

async function openDocument(from, id, range, version) {
  try {
    const {document: found} = await call('GET', `${collectionPath(from)}/documents/${segment(id)}`);
    byId('viewer-title').textContent = found.name || found.id;
    const facts = [found.info?.mediaType, `version ${found.version}`];
    if (version && String(version) !== String(found.version)) {
      facts.push(`the passage was cited from version ${version}, so it may have moved`);
    }
    byId('viewer-facts').textContent = facts.filter(Boolean).join(' · ');
    // Ranges count UTF-8 bytes, strings here count UTF-16 units: cut the bytes, then decode.
    const bytes = encoder.encode(found.text);
    const begin = range ? Number(range.begin || 0) : 0, end = range ? Number(range.end || 0) : 0;
    const mark = element('mark', {textContent: decoder.decode(bytes.subarray(begin, end)), tabIndex: -1});
    byId('viewer-text').replaceChildren(decoder.decode(bytes.subarray(0, begin)), range ? mark : '',
      decoder.decode(bytes.subarray(end)));
    if (!byId('viewer').open) byId('viewer').showModal();
    if (range) mark.scrollIntoView({block: 'center'});
    else byId('viewer-text').scrollTop = 0;
  } catch (error) {
    notice(error.message);
  }
}
byId('viewer-close').addEventListener('click', () => byId('viewer').close());
byId('viewer').addEventListener('click', (event) => { if (event.target === byId('viewer')) byId('viewer').close(); });

// ---- Documents ----

let nextPage = '';

async function listDocuments(token = '') {
  if (!collection()) return;
  const from = collection();
  try {
    const page = await call('GET', `${collectionPath()}/documents?pageSize=100&pageToken=${segment(token)}`);
    if (from !== collection()) return;
    const rows = page.documents.map((entry) => element('tr', {},
      element('td', {}, element('button', {className: 'link', type: 'button', textContent: entry.name || entry.id,
        onclick: () => openDocument(from, entry.id, null)})),
      element('td', {textContent: (entry.info?.mediaType || '').split('/').pop()}),
      element('td', {textContent: entry.info?.coverage?.pages || '–'}),
      element('td', {textContent: entry.version}),
      element('td', {textContent: entry.updated ? new Date(entry.updated).toLocaleString() : ''}),
      element('td', {className: 'number'}, element('button', {className: 'quiet', type: 'button', textContent: 'Delete',
        ariaLabel: `Delete ${entry.name || entry.id}`, onclick: () => deleteDocument(from, entry)}))));
    if (token) byId('documents').append(...rows);
    else byId('documents').replaceChildren(...rows);
    byId('documents-empty').hidden = byId('documents').children.length > 0;
    nextPage = page.nextPageToken;
    byId('documents-more').hidden = !nextPage;
  } catch (error) {
    notice(error.message);
  }
}
byId('documents-more').addEventListener('click', () => listDocuments(nextPage));

async function deleteDocument(from, entry) {
  if (!confirm(`Delete “${entry.name || entry.id}” from ${from}?`)) return;
  try {
    await call('DELETE', `${collectionPath(from)}/documents/${segment(entry.id)}`);
    byId('upload-state').textContent = `${entry.name} was deleted`;
    await listDocuments();
  } catch (error) {
    notice(error.message);
  }
}

const steps = {
  INGEST_STEP_LOAD: 'reading', INGEST_STEP_SPLIT: 'splitting', INGEST_STEP_EMBED: 'embedding',
  INGEST_STEP_INDEX: 'indexing',
};

function uploadRow(file) {
  const row = {
    state: element('span', {className: 'state', textContent: 'waiting'}),
    bar: element('progress', {max: 1, value: 0, ariaLabel: `Progress of ${file.name}`}),
    reason: element('p', {className: 'reason', hidden: true}),
  };
  row.node = element('li', {}, element('span', {className: 'name', textContent: file.name}), row.state, row.bar, row.reason);
  byId('uploads').prepend(row.node);
  return row;
}

function failUpload(row, message) {
  row.state.textContent = 'failed';
  row.bar.hidden = true;
  row.reason.textContent = message;
  row.reason.hidden = false;
}

function showProgress(row, entry) {
  if (entry.state === 'JOB_STATE_FAILED') return failUpload(row, sentence(entry.error || {}));
  if (entry.state === 'JOB_STATE_SUCCEEDED') {
    row.state.textContent = entry.unchanged ? 'unchanged'
      : Number(entry.chunksDone) === 1 ? '1 chunk' : `${entry.chunksDone} chunks`;
    row.state.classList.add('done');
    row.bar.hidden = true;
    return;
  }
  if (entry.state === 'JOB_STATE_CANCELLED') return failUpload(row, 'The job was cancelled.');
  const total = Number(entry.chunksTotal);
  row.state.textContent = [steps[entry.step] || 'queued', total ? `${entry.chunksDone} of ${total}` : ''].join(' ').trim();
  if (total) row.bar.value = 0.3 + 0.7 * Number(entry.chunksDone) / total;
}

// XMLHttpRequest, since fetch tells nothing about how much of a body is sent.
function send(file, row) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append('name', file.name);
    form.append('file', file, file.name);
    request.open('POST', `${collectionPath()}/documents:upload`);
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable) return;
      row.state.textContent = `sending ${Math.round(100 * event.loaded / event.total)} %`;
      row.bar.value = 0.3 * event.loaded / event.total;
    };
    request.onload = () => {
      let answer = {message: `The gateway answered ${request.status}`};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours */ }
      if (request.status < 300) resolve(answer);
      else reject(new ApiError(answer));
    };
    request.onerror = () => reject(new Error('The connection broke while the file was being sent.'));
    request.send(form);
  });
}

async function upload(file) {
  const row = uploadRow(file);
  try {
    const {job} = await send(file, row);
    row.state.textContent = 'queued';
    await stream('GET', `/v1/jobs/${segment(job.id)}:watch`, undefined, undefined, (event, data) => {
      if (event === 'document') showProgress(row, data.document);
      if (event === 'job' && data.job.error) failUpload(row, sentence(data.job.error));
    });
    byId('upload-state').textContent = `${file.name}: ${row.state.textContent}`;
  } catch (error) {
    failUpload(row, error.message);
    byId('upload-state').textContent = `${file.name} failed: ${error.message}`;
  }
}

// Two at a time: the browser has six connections to one server, and the rest of the page needs some.
async function uploadAll(files) {
  if (!needCollection()) return;
  const waiting = [...files];
  const lane = async () => { while (waiting.length) await upload(waiting.shift()); };
  await Promise.all([lane(), lane()]);
  await listDocuments();
}

byId('files').addEventListener('change', (event) => {
  const files = [...event.target.files];
  event.target.value = '';
  uploadAll(files);
});
for (const name of ['dragover', 'dragleave', 'drop']) {
  byId('drop').addEventListener(name, (event) => {
    event.preventDefault();
    byId('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') uploadAll(event.dataTransfer.files);
  });
}

// ---- Search ----

// How a passage came to its place, folded away.
function why(passage) {
  const how = passage.explanation;
  if (!how) return '';
  const lines = [];
  if (passage.scores?.fused !== undefined) {
    lines.push(`fused = dense ${score(how.densePart || 0)} + lexical ${score(how.lexicalPart || 0)}`);
  }
  const terms = (how.terms || []).map((term) =>
    `${term.term} ${score(term.score, 2)} (${term.frequency} times, idf ${score(term.idf, 2)}, length norm ${score(term.lengthNorm, 2)})`);
  if (terms.length) lines.push(`lexical = ${terms.join(' + ')}`);
  return element('details', {className: 'why'}, element('summary', {textContent: 'Why here'}),
    ...lines.map((line) => element('p', {textContent: line})));
}

// How the store searched: one entry a fact.
function searchFacts(how) {
  if (!how) return [];
  const milliseconds = (step) => `${step.name} ${duration(step.duration)}`;
  const scale = (of) => of ? `mean ${score(of.mean || 0)}, deviation ${score(of.deviation || 0)}` : '';
  return [
    ['Searched', `${how.allowed} of ${how.chunks} chunks${how.densePlan ? `, vectors by ${how.densePlan}` : ''}`],
    ['Lists', `${how.denseListed} dense, ${how.lexicalListed} lexical, ${how.candidates} candidates`],
    ['Dense scores', scale(how.denseScale)],
    ['Lexical scores', scale(how.lexicalScale)],
    ['Steps', (how.steps || []).map(milliseconds).join(', ')],
  ].filter(([, value]) => value).map(([name, value]) =>
    element('div', {}, element('dt', {textContent: name}), element('dd', {textContent: value})));
}

byId('search-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!needCollection()) return;
  const from = collection();
  notice('');
  byId('search-state').textContent = 'Searching…';
  byId('search-notes').replaceChildren();
  try {
    const found = await call('POST', `${collectionPath()}:search`, {
      query: byId('query').value, topK: 20, mode: byId('search-mode').value, skipRerank: !byId('rerank').checked,
      explain: byId('explain').checked,
    });
    const cell = (value, rank, digits) => element('td', {}, score(value, digits),
      rank ? element('span', {className: 'rank', textContent: `rank ${rank}`}) : '');
    const rankBy = (field) => {
      const order = found.passages.filter((passage) => passage.scores?.[field] !== undefined)
        .sort((a, b) => b.scores[field] - a.scores[field]);
      return (passage) => order.indexOf(passage) + 1;
    };
    const fusedRank = rankBy('fused'), rerankedRank = rankBy('reranked');
    byId('results').replaceChildren(...found.passages.map((passage) => {
      const scores = passage.scores || {};
      const where = [passage.documentName, ...(passage.headingPath || [])].filter(Boolean).join(' › ');
      return element('tr', {},
        element('td', {className: 'number', textContent: passage.number}),
        element('td', {},
          element('span', {className: 'path', textContent: passage.page ? `${where}, page ${passage.page}` : where}),
          element('span', {className: 'passage', textContent: passage.text}),
          why(passage),
          element('button', {className: 'link', type: 'button', textContent: 'Open',
            ariaLabel: `Open passage ${passage.number} in ${passage.documentName}`,
            onclick: () => openDocument(from, passage.documentId, passage.range, passage.documentVersion)})),
        cell(scores.dense, scores.denseRank), cell(scores.lexical, scores.lexicalRank, 2),
        cell(scores.fused, fusedRank(passage)), cell(scores.reranked, rerankedRank(passage)));
    }));
    byId('results-table').hidden = found.passages.length === 0;
    byId('search-notes').replaceChildren(...found.degraded.map(degradedNote));
    byId('search-state').textContent = found.passages.length === 0 ? 'Nothing found.'
      : found.passages.length === 1 ? '1 passage' : `${found.passages.length} passages`;
    showTimings(byId('search-timings'), found.timings);
    byId('search-facts').replaceChildren(...searchFacts(found.explanation));
  } catch (error) {
    byId('search-state').textContent = '';
    notice(error.message);
  }
});

// ---- Status ----

function stageCard(stage) {
  const info = stage.info || {};
  const kind = !stage.reachable ? 'down' : info.ready ? 'up' : 'waiting';
  const facts = [
    ['Address', stage.address],
    ['Model', info.model?.name],
    ['Kernel', info.kernel],
    ['Version', info.version],
    ['Latency', stage.reachable ? duration(stage.latency) : ''],
  ].filter(([, value]) => value);
  const reason = stage.error || info.notReadyReason;
  return element('section', {className: `stage ${kind}`},
    element('h2', {}, element('span', {className: 'dot'}), info.stage,
      element('span', {className: 'state', textContent: {up: 'ready', waiting: 'not ready', down: 'unreachable'}[kind]})),
    element('dl', {}, ...facts.flatMap(([name, value]) =>
      [element('dt', {textContent: name}), element('dd', {textContent: value})])),
    reason ? element('p', {className: 'reason', textContent: reason}) : '');
}

async function showStatus() {
  byId('status-state').textContent = 'Asking every stage…';
  try {
    const {stages} = await call('GET', '/v1/status');
    byId('stages').replaceChildren(...stages.map(stageCard));
    const ready = stages.filter((stage) => stage.reachable && stage.info?.ready).length;
    byId('status-state').textContent = `${ready} of ${stages.length} ready, ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    byId('status-state').textContent = '';
    notice(error.message);
  }
}
byId('refresh').addEventListener('click', showStatus);

// ---- Start ----

listCollections().catch((error) => notice(error.message)).finally(followHash);
