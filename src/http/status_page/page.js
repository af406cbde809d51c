// Follows what changes. Each part is taken over node by node where its shape is the same, so that focus,
// selection and scroll position stay where they are.
'use strict';
(() => {
  const freshness = document.getElementById('freshness');
  const time = freshness.querySelector('time');
  const light = freshness.querySelector('.light');
  const { live, old, good, asOf } = freshness.dataset;
  // The server says something every 5 s; a laptop that slept hears nothing for longer.
  const PATIENCE = 15000;
  const AGAIN = 5000;
  let heard = Date.now();

  function renew(before, after) {
    if (before.isEqualNode(after)) return;
    if (before.nodeType === Node.TEXT_NODE && after.nodeType === Node.TEXT_NODE) {
      before.data = after.data;
      return;
    }
    const alike = before.nodeName === after.nodeName && before.id === after.id
      && before.childNodes.length === after.childNodes.length && before.nodeType === Node.ELEMENT_NODE;
    if (!alike) {
      before.replaceWith(after);
      return;
    }
    for (const { name, value } of [...after.attributes]) {
      if (before.getAttribute(name) !== value) before.setAttribute(name, value);
    }
    for (const { name } of [...before.attributes]) {
      if (!after.hasAttribute(name)) before.removeAttribute(name);
    }
    const pairs = [...before.childNodes].map((node, index) => [node, after.childNodes[index]]);
    // The live list loses what is moved: all pairs are made first.
    for (const [was, is] of pairs) renew(was, is);
  }

  function take(html) {
    const template = document.createElement('template');
    template.innerHTML = html;
    const focused = document.activeElement && document.activeElement.getAttribute('href');
    for (const part of [...template.content.children]) {
      const before = document.getElementById(part.id);
      if (before) renew(before, part);
    }
    const state = document.getElementById('state');
    document.title = `${state.dataset.title} · token-broker`;
    document.querySelector('link[rel=icon]').href = state.dataset.icon;
    if (focused && document.activeElement === document.body) {
      const again = [...document.querySelectorAll('a[href]')].find((a) => a.getAttribute('href') === focused);
      if (again) again.focus({ preventScroll: true });
    }
  }

  function tell(fresh) {
    freshness.classList.toggle('old', !fresh);
    freshness.classList.toggle('live', fresh);
    const text = fresh ? good : old;
    if (light.textContent !== text) light.textContent = text;
  }

  function follow() {
    const stream = new EventSource(live);
    stream.addEventListener('still', ({ data }) => {
      heard = Date.now();
      time.textContent = asOf.replace('{time}', data);
      tell(true);
    });
    stream.addEventListener('parts', ({ data }) => take(data));
    stream.addEventListener('error', () => {
      tell(false);
      // Refused, as when too many pages are live: the browser does not try again by itself.
      if (stream.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN);
    });
  }

  setInterval(() => { if (Date.now() - heard > PATIENCE) tell(false); }, 1000);
  follow();
})();
