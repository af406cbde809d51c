// A browser that looks at pages: one JSON visit a line comes in, one JSON report a line goes out.
// A visit: {url, lang, dark, narrow, script, shot, expect, then, ready, vendored}. `then` is words to wait for on the open
// page, `ready` a selector of what must be there first; how a vendored page looks is not judged.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';

const require = createRequire(`${process.env.CHECKS_NODE}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => existsSync(path));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

async function look(visit) {
  const problems = [];
  const context = await browser.newContext({
    locale: visit.lang === 'zh' ? 'zh-CN' : 'en-US',
    colorScheme: visit.dark ? 'dark' : 'light',
    viewport: visit.narrow ? { width: 375, height: 812 } : { width: 1280, height: 800 },
    javaScriptEnabled: visit.script,
  });
  try {
    const page = await context.newPage();
    page.on('console', (message) => problems.push(`console ${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => problems.push(`script: ${error}`));
    page.on('requestfailed', (request) => problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
    page.on('request', (request) => {
      const { origin } = new URL(visit.url);
      const own = request.url().startsWith(`${origin}/`) || request.url().startsWith('data:');
      if (!own) problems.push(`asks elsewhere: ${request.url()}`);
    });
    await page.goto(visit.url, { waitUntil: 'load' });
    if (visit.script) await page.locator(visit.ready ?? '#freshness.live, .runbook').first().waitFor({ timeout: 15000 });
    if (visit.then) {
      process.stdout.write('{"open":true}\n');
      await page.getByText(visit.then).first().waitFor({ timeout: 30000 });
    }
    const text = await page.locator('body').innerText();
    for (const words of visit.expect ?? []) {
      if (!text.includes(words)) problems.push(`does not say: ${words}\n${text.slice(0, 800)}`);
    }
    if (visit.shot) await page.screenshot({ path: visit.shot, fullPage: visit.whole ?? true });
    if (visit.script && !visit.vendored) {
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth - window.innerWidth);
      if (wide > 0) problems.push(`is ${wide} px wider than the screen`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, help, nodes } of violations) {
        problems.push(`axe ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(' ')}`);
      }
      if (visit.keys) {
        await page.keyboard.press('Tab');
        const first = await page.evaluate(() => document.activeElement.getAttribute('href'));
        if (first !== '#apps') problems.push(`the first key leads to ${first}, not to the apps`);
        await page.keyboard.press('Enter');
        await page.keyboard.press('Tab');
        const next = await page.evaluate(() => document.activeElement.id);
        if (next !== 'q') problems.push(`from the apps the next key leads to ${next}, not to the search`);
      }
    }
  } catch (error) {
    problems.push(`${error}`);
  } finally {
    await context.close();
  }
  return problems;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify({ problems: await look(JSON.parse(line)) })}\n`);
}
await browser.close();
