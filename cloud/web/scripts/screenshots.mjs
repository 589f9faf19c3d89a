// Takes the pictures of the documentation from a running console:
//
//   node scripts/screenshots.mjs http://127.0.0.1:8080 USER PASSWORD OUT [PHONE_USER PHONE_PASSWORD]
//
// The phone's pictures are taken as PHONE_USER where one is given. Chromium is
// the system's; CHROMIUM names another one. The exit code is 1 if a page threw
// an error or asked for something elsewhere.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, signedIn } from './browser.mjs';

const [base, user, password, out, phoneUser = user, phonePassword = password] = process.argv.slice(2);
if (!out) {
  console.error('usage: screenshots.mjs BASE_URL USER PASSWORD OUT [PHONE_USER PHONE_PASSWORD]');
  process.exit(2);
}
mkdirSync(out, { recursive: true });

const browser = await launch();
const complaints = [];

/** One session and look: pictures of its pages by name. */
async function shoot(look, pages) {
  const page = await signedIn(
    browser, base,
    {
      viewport: look.viewport, deviceScaleFactor: look.phone ? 2 : 1, isMobile: look.phone === true, hasTouch: look.phone === true,
      locale: look.lang === 'en' ? 'en-GB' : 'zh-CN',
    },
    look.phone ? phoneUser : user, look.phone ? phonePassword : password, complaints,
  );
  const context = page.context();
  await context.addInitScript(({ lang, theme, size }) => {
    localStorage.setItem('linshao.lang', lang);
    localStorage.setItem('linshao.theme', theme);
    localStorage.setItem('linshao.size', size);
  }, { size: 'normal', ...look });
  for (const [name, path, more] of pages) {
    await page.goto(base + path, { waitUntil: 'load' });
    await page.waitForTimeout(2500); // the stream never lets the network fall idle
    if (more) await more(page);
    await page.screenshot({ path: join(out, `${name}-${look.theme}-${look.lang}.png`) });
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  if (wide) complaints.push(`${page.url()} scrolls sideways at ${look.viewport.width} px`);
  await context.close();
}

/** Opens the worst ticket of the queue. */
async function openFirst(page) {
  const first = page.locator('.queue-row.critical, .queue-row').first();
  if ((await first.count()) === 0) return;
  await first.click();
  await page.waitForTimeout(2500);
}

/** Goes on to the device of a kind that has something to plot. */
async function openDevice(page) {
  await page.locator('tbody th a').first().click();
  await page.waitForTimeout(3000);
}

const console_ = { viewport: { width: 1440, height: 900 } };
const phone = { viewport: { width: 375, height: 760 }, phone: true };
for (const lang of ['zh', 'en']) {
  for (const theme of ['light', 'dark']) {
    await shoot({ ...console_, lang, theme }, [
      ['tickets', '/'],
      ['ticket', '/', openFirst],
      ['devices', '/devices'],
      ['device', '/devices', openDevice],
      ['duty', '/duty'],
      ['edges', '/edges'],
    ]);
    await shoot({ ...phone, lang, theme }, [['phone', '/m']]);
  }
}
await shoot({ ...phone, viewport: { width: 320, height: 700 }, lang: 'zh', theme: 'light', size: 'elder' }, [['phone-elder', '/m']]);
await browser.close();
for (const c of complaints) console.error(c);
process.exit(complaints.length > 0 ? 1 : 0);
