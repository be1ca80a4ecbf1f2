// Keeps a page as its server sees it: takes the HTML that the server sends, in place of what it belongs to. Nothing is rendered here.
// Without this script every page is whole all the same, as it was when it was loaded.
"use strict";
(() => {
  const marks = new Map();
  const waiting = new Map();

  // A selection, or a focus, inside an element stays where it is: people copy from what changes.
  const selecting = (element) => {
    const chosen = document.getSelection();
    return chosen && !chosen.isCollapsed && element.contains(chosen.anchorNode);
  };

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };

  const replace = (id, html) => {
    const element = document.getElementById(id);
    if (!element) return;
    if (selecting(element)) {
      waiting.set(id, html);
      return;
    }
    waiting.delete(id);
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    const at = focused && [...element.querySelectorAll("a,button,input,select,summary,[tabindex]")].indexOf(focused);
    const open = new Set([...element.querySelectorAll("details[open][id]")].map((each) => each.id));
    element.replaceChildren(parsed(html));
    for (const each of element.querySelectorAll("details[id]")) if (open.has(each.id)) each.open = true;
    if (focused) element.querySelectorAll("a,button,input,select,summary,[tabindex]")[at]?.focus({ preventScroll: true });
    dress(element);
  };

  const list = (id, { order, rows }) => {
    const element = document.getElementById(id);
    if (!element) return;
    const known = new Map([...element.children].map((row) => [row.id, row]));
    for (const [key, html] of Object.entries(rows)) {
      const made = parsed(html).firstElementChild;
      const old = known.get(made.id);
      if (old) {
        const inside = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        old.replaceWith(made);
        if (inside !== null) [...made.querySelectorAll("a")].find((each) => each.getAttribute("href") === inside)?.focus({ preventScroll: true });
      }
      known.set(made.id, made);
    }
    const wanted = order.map((key) => known.get("r-" + key)).filter(Boolean);
    const keep = new Set(wanted);
    for (const row of [...element.children]) if (!keep.has(row)) row.remove();
    wanted.forEach((row, at) => {
      if (element.children[at] !== row) element.insertBefore(row, element.children[at] || null);
    });
    dress(element);
  };

  const add = (id, html) => {
    const element = document.getElementById(id);
    if (!element) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    element.append(parsed(html));
    // Whoever has scrolled up, or has marked something, reads: the first lines are not taken away meanwhile, within bounds.
    const most = Number(element.dataset.most || 2000) * (below && !selecting(element) ? 1 : 5);
    for (let more = element.childElementCount - most; more > 0; more--) element.firstElementChild.remove();
    if (below) element.scrollTop = element.scrollHeight;
  };

  const take = (event) => {
    const patch = JSON.parse(event.data);
    for (const [id, [mark, html]] of Object.entries(patch.regions)) {
      if (marks.get(id) === mark) continue;
      marks.set(id, mark);
      replace(id, html);
    }
    for (const [id, rows] of Object.entries(patch.lists)) list(id, rows);
    for (const [id, html] of Object.entries(patch.added)) add(id, html);
  };

  // Spans as the server writes them: 42s, 5m10s, 3h, 2d.
  const lasting = (seconds) => {
    const whole = Math.max(Math.floor(seconds), 0);
    if (whole < 120) return `${whole}s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 10) return whole % 60 ? `${minutes}m${whole % 60}s` : `${minutes}m`;
    if (minutes < 180) return `${minutes}m`;
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
  };

  const age = (inside) => {
    const now = Date.now();
    const say = (each, text) => { if (each.textContent !== text) each.textContent = text; };
    for (const each of inside.querySelectorAll("time[data-ago]")) say(each, lasting((now - Date.parse(each.dateTime)) / 1000));
    for (const each of inside.querySelectorAll("time[data-in]")) say(each, "in " + lasting((Date.parse(each.dateTime) - now) / 1000));
  };

  const dress = (element) => {
    for (const button of element.querySelectorAll("button.copy[hidden]")) button.hidden = false;
    for (const each of element.querySelectorAll("[data-end]")) each.scrollTop = each.scrollHeight;
    age(element);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and copy";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  document.addEventListener("selectionchange", () => {
    for (const [id, html] of [...waiting]) replace(id, html);
  });

  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
    });
  }

  // A hidden tab holds no connection: a browser has six for a server, whatever the number of its tabs.
  let source = null;
  let over = false;
  const address = document.body.dataset.live;
  const health = document.getElementById("health");
  const open = () => {
    if (!address || source || over || document.hidden) return;
    source = new EventSource(address);
    source.addEventListener("patch", take);
    source.addEventListener("over", () => { over = true; close(); });
    source.addEventListener("leave", () => location.reload());
    source.addEventListener("open", () => { document.body.classList.remove("cut"); });
    source.addEventListener("error", () => {
      document.body.classList.add("cut");
      marks.delete("health");
      if (health && !document.hidden) health.textContent = "the server of this page is not there: what is shown may be old";
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        refused();
        setTimeout(open, 3000);
      }
    });
  };
  // Whoever may not look any more is not shown what was there before.
  const refused = async () => {
    try {
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) location.reload();
    } catch {
      // The server is away: that is said already.
    }
  };
  const close = () => {
    if (source) source.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    age(document);
    open();
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  setInterval(() => document.hidden || age(document), 1000);
  dress(document.body);
  open();
})();
