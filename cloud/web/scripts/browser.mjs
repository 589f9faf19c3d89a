// What the scripts of this folder share: the system's Chromium, and a session
// that is signed in and complains about what a page must not do.
import { chromium } from 'playwright-core';

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

/** Signs in and opens a page; errors and requests elsewhere are added to complaints. */
export async function signedIn(browser, base, options, user, password, complaints) {
  const context = await browser.newContext({ timezoneId: 'Asia/Shanghai', ...options });
  const answer = await context.request.post(`${base}/api/v1/login`, { data: { user, password } });
  if (!answer.ok()) throw new Error(`sign-in of ${user}: ${answer.status()} ${await answer.text()}`);
  const page = await context.newPage();
  page.on('pageerror', (e) => complaints.push(`${page.url()}: ${e.message}`));
  page.on('console', (m) => m.type() === 'error' && complaints.push(`${page.url()}: ${m.text()}`));
  page.on('request', (r) => r.url().startsWith(base) || r.url().startsWith('data:') || complaints.push(`elsewhere: ${r.url()}`));
  return page;
}
