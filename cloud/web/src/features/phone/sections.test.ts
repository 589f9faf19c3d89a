import { expect, test } from 'vitest';
import { made } from '../tickets/made';
import { sections } from './sections';

test('a phone shows mine, then what waits for somebody, then what others do', () => {
  const list = [
    made('waiting'),
    made('mine', { state: 'accepted', assignee: 'li' }),
    made('handed-to-me', { assignee: 'li' }),
    made('taken', { state: 'arrived', assignee: 'wang' }),
  ];
  const s = sections(list, 'li');
  expect([s.mine, s.open, s.others].map((l) => l.map((t) => t.id))).toEqual([
    ['mine', 'handed-to-me'],
    ['waiting'],
    ['taken'],
  ]);
});

test('a login without a person owns nothing', () => {
  expect(sections([made('a')], '').mine).toEqual([]);
});
