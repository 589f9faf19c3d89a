// The edge's page: reads the JSON beside it every two seconds and says how old
// what it shows is. No cloud, no library.
const token = new URLSearchParams(location.search).get('token');
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const words = {
  critical: '⯃ 特急', major: '▲ 紧急', minor: '◆ 一般', warning: '● 提示',
  open: '待接单', accepted: '已接单', arrived: '已到场', active: '告警中', cleared: '已恢复',
};
const reasons = { dropped_full: '磁盘已满而丢弃', dropped_age: '超过保存期限而丢弃', damaged: '存储损坏', lost: '断电丢失' };
const $ = (id) => document.getElementById(id);

function el(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}

function age(ms) {
  const s = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (s < 60) return `${s} 秒前`;
  if (s < 3600) return `${Math.floor(s / 60)} 分钟前`;
  return `${Math.floor(s / 3600)} 小时前`;
}

async function get(path) {
  const r = await fetch(`api/v1/${path}`, { headers });
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  return r.json();
}

function table(rows) {
  const t = el('table');
  for (const cells of rows) {
    const tr = el('tr');
    for (const c of cells) {
      const td = el('td');
      td.append(c);
      tr.append(td);
    }
    t.append(tr);
  }
  return t;
}

function showTickets(items) {
  const rows = (items ?? []).map((t) => [
    el('span', words[t.severity], `badge ${t.severity}`), t.title, `${t.location || t.device}`,
    `${words[t.state]} · ${words[t.condition]}`, age(t.raised_ms),
  ]);
  $('tickets').replaceChildren(rows.length ? table(rows) : el('span', '暂无工单', 'ok'));
}

function showOutbox(o) {
  const head = el('p', o.connected ? '● 已连接云端' : '○ 未连接云端,数据保存在本机', o.connected ? 'ok' : 'off');
  if (o.cloud.refused) head.append(el('strong', ` 云端拒绝本网关:${o.cloud.refused}`, 'off'));
  const rows = (o.lanes ?? []).map((l) => [
    l.lane, `${l.records} 条`, l.records && l.oldest_ms ? `最早 ${age(l.oldest_ms)}` : '', l.missing ? `${l.missing} 条缺失未上报` : '',
  ]);
  const parts = [head, table(rows), el('p', `占用 ${(o.bytes / 1048576).toFixed(1)} MiB · 剩余 ${(o.free_bytes / 1073741824).toFixed(1)} GiB`, 'soft')];
  if (o.dropped.length) parts.push(table(o.dropped.map((d) => [reasons[d.reason] ?? d.reason, `${d.records} 条`, span(d)])));
  parts.push(el('p', clock(o.clock), o.clock.trusted ? 'soft' : 'off'));
  $('outbox').replaceChildren(...parts);
}

function span(d) {
  if (!d.to_ms) return '';
  const at = (ms) => (ms ? new Date(ms).toLocaleString('zh-CN') : '?');
  return `${at(d.from_ms)} 至 ${at(d.to_ms)}`;
}

function clock(c) {
  const skew = c.skew_known ? `与云端相差 ${(c.skew_ms / 1000).toFixed(1)} 秒(±${(c.error_ms / 1000).toFixed(1)})` : '尚未与云端比对';
  return `时钟${c.trusted ? '可信' : '未同步,时间已标记'} · ${skew}${c.jumps ? ` · 启动以来被调整 ${c.jumps} 次` : ''}`;
}

function showDevices(items) {
  $('devices').replaceChildren(...(items ?? []).map((d) => {
    const s = el('section');
    const online = d.values?.find((v) => v.metric === 'online');
    const up = online === undefined ? '未知' : online.value ? '在线' : '离线';
    s.append(el('strong', d.id), ` ${d.location} `, el('span', `${up} · ${d.kind}`, online?.value ? 'ok' : 'off'));
    s.append(table((d.values ?? []).map((v) => [
      v.metric, v.quality === 'bad' ? el('span', `— ${v.reason}`, 'off') : `${v.text || v.value} ${v.unit ?? ''}`,
      el('span', age(v.at_ms), 'soft'),
    ])));
    return s;
  }));
}

function showQuarantine(items) {
  const rows = (items ?? []).slice(-20).map((q) => [age(q.at_ms), q.device, q.reason, el('code', q.payload)]);
  $('quarantine').replaceChildren(rows.length ? table(rows) : el('span', '无', 'soft'));
}

let fresh = Date.now();
async function refresh() {
  try {
    const [status, tickets, outbox, devices, quarantine] = await Promise.all(['status', 'tickets?lang=zh', 'outbox', 'devices', 'quarantine'].map(get));
    $('name').textContent = `边缘网关 ${status.estate} / ${status.edge}`;
    const bad = Object.entries(status.conditions).map(([k, v]) => `${k}: ${v}`);
    $('status').textContent = `${status.version} · ${bad.length ? bad.join(';') : '一切正常'}`;
    showTickets(tickets.items);
    showOutbox(outbox);
    showDevices(devices.items);
    showQuarantine(quarantine.items);
    fresh = Date.now();
  } catch (err) {
    console.warn(err);
  }
  const old = Math.round((Date.now() - fresh) / 1000);
  $('stale').style.display = old > 5 ? 'block' : 'none';
  $('stale').textContent = `数据已 ${old} 秒未更新`;
  setTimeout(refresh, 2000);
}
refresh();
