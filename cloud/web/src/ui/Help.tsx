import { t } from '../i18n';
import { Dialog } from './Dialog';

export function Help({ onClose }: { onClose: () => void }) {
  const rows: [string, string][] = [
    ['j k', t('help.move')],
    ['Enter', t('help.enter')],
    ['a', t('help.accept')],
    ['/', t('help.search')],
    ['?', t('help.help')],
    ['Esc', t('help.escape')],
  ];
  return (
    <Dialog title={t('help.title')} onClose={onClose}>
      <dl class="help">
        {rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
