import { t } from '../i18n';

const demo = document.querySelector('meta[name="linshao-demo"]') !== null;

/** Says on every page that nothing here is real, where the cloud marks it so. */
export function DemoBanner() {
  return demo ? <p class="demo">{t('app.demo')}</p> : null;
}
