// Looks for a ticket as people do, and takes it:
//
//   node scripts/sees.mjs BASE USER PASSWORD PHONE_USER PHONE_PASSWORD TICKET
//
// The dispatcher's page and the phone's show it; a tap on the phone's one large
// button accepts it, and the dispatcher sees that without reloading. The exit
// code is 1 where that fails, a page throws, or anything elsewhere is asked for.
import { launch, signedIn } from './browser.mjs';

const [base, user, password, phoneUser, phonePassword, ticket] = process.argv.slice(2);
if (!ticket) {
  console.error('usage: sees.mjs BASE USER PASSWORD PHONE_USER PHONE_PASSWORD TICKET');
  process.exit(2);
}
const browser = await launch();
const complaints = [];
try {
  const desk = await signedIn(browser, base, { viewport: { width: 1440, height: 900 }, locale: 'zh-CN' }, user, password, complaints);
  const phone = await signedIn(
    browser, base, { viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true, locale: 'zh-CN' },
    phoneUser, phonePassword, complaints,
  );
  await desk.goto(`${base}/`);
  await phone.goto(`${base}/m`);
  const row = desk.locator(`[data-ticket="${ticket}"]`).first();
  const card = phone.locator(`[data-ticket="${ticket}"]`).first();
  await row.waitFor({ timeout: 30_000 });
  await card.waitFor({ timeout: 30_000 });
  const step = card.locator('button.step');
  const box = await step.boundingBox();
  if (!box || box.height < 60) complaints.push(`the next step is ${box?.height} px high`);
  await step.tap();
  await row.locator('.chip.accepted').waitFor({ timeout: 30_000 });
  console.log(`seen and taken: ${await row.innerText()}`);
} catch (e) {
  complaints.push(String(e));
} finally {
  await browser.close();
}
for (const c of complaints) console.error(c);
process.exit(complaints.length ? 1 : 0);
