// The page in headless Chromium: uploads, asks, opens a citation, searches, looks at the status; by mouse and by keyboard,
// light and dark, wide and narrow; with axe's accessibility rules. Against the mock, or a gateway at RAGMESH_URL.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {startMock} from './mock_gateway.mjs';

// tests/package.json says which modules; they are installed outside the source tree and found by NODE_PATH.
const modules = createRequire(import.meta.url);
const {chromium} = modules('playwright-core');
const axe = await readFile(modules.resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.RAGMESH_SCREENSHOTS;
const mock = process.env.RAGMESH_URL ? null : await startMock();
const url = process.env.RAGMESH_URL || mock.url;

// Letters of one to four bytes before the fact, so that byte ranges and UTF-16 indexes differ.
const text = 'Handbuch für Größen 🙂 漢字.\n\nThe feed pump must be greased every 400 hours. ' +
  'Use lithium grease only. <img src=x onerror="document.title=\'owned\'"> stays text.\n\n' +
  'The feed pump weighs 85 kilograms without its motor. Lift it with two straps.';
const collection = `page-test-${process.pid}`;

const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox']});
const page = await browser.newPage({viewport: {width: 1180, height: 860}});
page.setDefaultTimeout(60000);
const faults = [];
page.on('pageerror', (error) => faults.push(String(error)));
page.on('console', (message) => {
  if (message.type() === 'error' && !/status of (4|5)\d\d/.test(message.text())) faults.push(message.text());
});

// What the page shows and what the server sees come in either order.
async function until(what, condition) {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function picture(name) {
  if (shots) await page.screenshot({path: `${shots}/${name}.png`, fullPage: true});
}

async function checkAccessibility(view) {
  const found = await page.evaluate(`${axe}; axe.run(document, {resultTypes: ['violations']})`);
  assert.deepEqual(found.violations.map((each) => `${view}: ${each.id}: ${each.nodes[0].html}`), []);
}

const tests = [];
const test = (name, body) => tests.push([name, body]);

test('A collection is made with the + button', async () => {
  await page.goto(url);
  await page.getByRole('button', {name: 'New collection'}).click();
  await page.getByLabel('Name').fill(collection);
  await page.getByLabel('Description').fill('Made by a test');
  await checkAccessibility('creator');
  await picture('creator');
  await page.getByRole('button', {name: 'Create'}).click();
  await page.locator('#creator').waitFor({state: 'hidden'});
  assert.equal(await page.locator('#collection').inputValue(), collection);
});

test('Files upload with progress to their end, and a broken one says why', async () => {
  await page.getByRole('tab', {name: 'Documents'}).click();
  await page.locator('#files').setInputFiles([
    {name: 'pump.txt', mimeType: 'text/plain', buffer: Buffer.from(text)},
    {name: 'scan.broken.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7 nothing more')},
  ]);
  await page.locator('#uploads li', {hasText: 'pump.txt'}).locator('.state.done').waitFor();
  await page.locator('#uploads li', {hasText: 'scan.broken.pdf'}).locator('.reason').waitFor();
  await page.locator('#documents tr', {hasText: 'pump.txt'}).waitFor();
  await checkAccessibility('documents');
  await picture('documents');
});

test('An answer streams, and its citation opens the quoted bytes', async () => {
  await page.getByRole('tab', {name: 'Ask'}).click();
  await page.getByLabel('Question').fill('How often must the feed pump be greased?');
  await page.keyboard.press('Enter');
  await page.locator('#timings dd').first().waitFor();
  const answer = await page.locator('#answer-text').innerText();
  assert.match(answer, /400 hours/);
  await checkAccessibility('ask');
  await picture('ask');
  const quote = (await page.locator('#citations blockquote').first().innerText()).trim();
  await page.locator('#answer-text .cite').first().click();
  await page.locator('#viewer mark').waitFor();
  assert.equal((await page.locator('#viewer mark').innerText()).trim(), quote);
  await checkAccessibility('viewer');
  await picture('viewer');
  await page.keyboard.press('Escape');
  await page.locator('#viewer').waitFor({state: 'hidden'});
});

test('Text of documents is never markup', async () => {
  await page.goto(`${url}/#/documents/${collection}/${encodeURIComponent(await documentId())}`);
  await page.locator('#viewer-text').getByText('onerror').waitFor();
  assert.equal(await page.locator('#viewer-text img').count(), 0);
  assert.equal(await page.title(), 'ragmesh');
  await page.getByRole('button', {name: 'Close'}).click();
});

async function documentId() {
  const listed = await page.request.get(`${url}/v1/collections/${collection}/documents`);
  return (await listed.json()).documents[0].id;
}

test('Search shows every score side by side', async () => {
  await page.getByRole('tab', {name: 'Search'}).click();
  await page.getByRole('searchbox').fill('feed pump');
  await page.getByRole('button', {name: 'Search'}).click();
  await page.locator('#results tr').first().waitFor();
  const cells = await page.locator('#results tr').first().locator('td').allInnerTexts();
  assert.equal(cells.length, 6);
  assert.match(cells[3], /\d/);
  await checkAccessibility('search');
  await picture('search');
});

test('Search explains itself when asked', async () => {
  assert.equal(await page.locator('#results .why').count(), 0);
  await page.getByLabel('explain').check();
  await page.getByRole('button', {name: 'Search'}).click();
  const why = page.locator('#results .why').first();
  await why.locator('summary').click();
  assert.match(await why.innerText(), /fused = dense -?\d.*lexical/);
  assert.match(await why.innerText(), /idf \d/);
  assert.match(await page.locator('#search-facts').innerText(), /of \d+ chunks/);
  await checkAccessibility('explained search');
  await picture('explained-search');
});

test('Status shows seven stages', async () => {
  await page.getByRole('tab', {name: 'Status'}).click();
  await page.locator('.stage').nth(6).waitFor();
  assert.equal(await page.locator('.stage').count(), 7);
  await checkAccessibility('status');
  await picture('status');
});

test('Arrow keys move between the views', async () => {
  await page.getByRole('tab', {name: 'Status'}).focus();
  const selected = (name) => page.locator('[role=tab][aria-selected=true]', {hasText: name}).waitFor();
  await page.keyboard.press('ArrowRight');
  await selected('Ask');
  await page.keyboard.press('End');
  await selected('Status');
});

test('Dark mode and a narrow window keep to the rules', async () => {
  await page.getByRole('button', {name: 'Switch between light and dark'}).click();
  await page.setViewportSize({width: 390, height: 780});
  for (const view of ['Ask', 'Documents', 'Search', 'Status']) {
    await page.getByRole('tab', {name: view}).click();
    await page.waitForLoadState('networkidle');
    await checkAccessibility(`dark ${view}`);
    await picture(`dark-${view.toLowerCase()}`);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    const widest = await page.evaluate(`[...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth && !node.closest(".scroll *")).map((node) => node.outerHTML.slice(0, 80))`);
    assert.ok(overflow <= 0, `${view} is ${overflow} px too wide: ${widest}`);
  }
  await page.setViewportSize({width: 1180, height: 860});
});

test('A document is deleted after a question back', async () => {
  await page.getByRole('tab', {name: 'Documents'}).click();
  page.once('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', {name: 'Delete pump.txt'}).click();
  await page.locator('#documents tr', {hasText: 'pump.txt'}).waitFor({state: 'detached'});
});

if (mock) {
  test('Stop ends the stream at once', async () => {
    await page.getByRole('tab', {name: 'Ask'}).click();
    await page.getByLabel('Question').fill('Go on forever');
    await page.getByRole('button', {name: 'Ask', exact: true}).click();
    await page.locator('#answer-text', {hasText: 'on and on'}).waitFor();
    await page.getByRole('button', {name: 'Stop'}).click();
    await page.locator('#answer-state', {hasText: 'Stopped.'}).waitFor();
    await until('the server sees the stream closed', () => mock.seen.cancelledAsks === 1);
  });

  test('A degraded answer says what was missing', async () => {
    await page.getByLabel('Question').fill('Anything degraded?');
    await page.keyboard.press('Enter');
    await page.locator('.note', {hasText: 'The reranker is not there'}).waitFor();
    await page.locator('#answer-state', {hasText: 'Not found in these documents.'}).waitFor();
    await picture('degraded');
  });
}

let failed = 0;
for (const [name, body] of tests) {
  try {
    await body();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack}`);
  }
}
if (faults.length) {
  failed += 1;
  console.log(`FAIL the browser's console is clean\n${faults.join('\n')}`);
}
await browser.close();
mock?.close();
console.log(failed ? `${failed} failed` : `all ${tests.length} passed`);
process.exit(failed ? 1 : 0);
