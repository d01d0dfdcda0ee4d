// Unpacks the arrays, then shows everything. The part of the address behind # may say how:
// theme=dark, map=waiting, blocks=max, from=least, scale=40 (pixels per PE), x=0, y=0.

async function start() {
  const wanted = new URLSearchParams(window.location.hash.slice(1));
  const isDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = wanted.get("theme") || (isDark ? "dark" : "light");
  data.owner = await unpacked(data.owner);
  for (const map of [...data.maps, ...data.links]) {
    map.values = await unpacked(map.values);
    map.most = map.values.reduce((most, value) => Math.max(most, value), 0);
    map.least = map.values.reduce(
      (least, value, at) => (data.owner[at] ? Math.min(least, value) : least), map.most);
  }
  showTables();
  floor.start(wanted);
  time.start();
  document.body.dataset.ready = `${data.maps.map((map) => map.most).join(" ")}`;
}
start().catch((problem) => {
  document.body.dataset.failed = String(problem);
  element("tip").textContent = `this page needs a newer browser: ${problem}`;
  element("tip").style.display = "block";
});
