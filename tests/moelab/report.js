// Does to the page what a reader does, and writes a line per check: "ok …" or "not …".
{
  const lines = [];
  const check = (name, good) => lines.push(`${good ? "ok" : "not"} ${name}`);
  const shown = (element) => element.offsetParent !== null && element.getClientRects().length > 0;
  const key = (element, name) => element.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  const frame = () => new Promise((resolve) => setTimeout(resolve, 50));

  const drive = async () => {
    await frame();
    check("no part of the page is wider than the window", document.documentElement.scrollWidth <= innerWidth);

    const table = [...document.querySelectorAll("table")].find((table) => table.caption.textContent.startsWith("Clusters with"));
    const heads = [...table.tHead.rows[0].cells];
    const column = heads.findIndex((head) => head.textContent === "K");
    const numbers = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[column].textContent));
    const before = numbers();
    heads[column].querySelector("button").click();
    const up = numbers();
    check("a click sorts a column upwards", up.every((x, i) => i === 0 || up[i - 1] <= x) && new Set(up).size > 1);
    check("sorting says so", heads[column].getAttribute("aria-sort") === "ascending");
    heads[column].querySelector("button").click();
    const down = numbers();
    check("another click sorts it downwards", down.every((x, i) => i === 0 || down[i - 1] >= x));
    check("sorting loses no row", [...before].sort().join() === [...down].sort().join());

    const tabs = document.querySelector("section[aria-labelledby=confusion] .tabs");
    const [first, second] = tabs.querySelectorAll("[role=tab]");
    const panel = (tab) => document.getElementById(tab.getAttribute("aria-controls"));
    check("the first tab is open", shown(panel(first)) && !shown(panel(second)));
    second.click();
    check("a click opens another tab", !shown(panel(first)) && shown(panel(second)));
    key(second, "ArrowLeft");
    check("an arrow key goes back", shown(panel(first)) && document.activeElement === first);

    const map = document.querySelector("figure.map");
    const canvas = map.querySelector(".stage > canvas"), tip = map.querySelector(".tip");
    const box = canvas.getBoundingClientRect();
    const point = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
      pointerId: 1, pointerType: "mouse", clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true }));
    for (let at = 0; at < 2500 && !canvas.dataset.row; at++) point("pointermove", (at % 50) / 50, Math.floor(at / 50) / 50);
    check("pointing at a mark selects it", canvas.dataset.row !== undefined && canvas.dataset.row !== "");
    check("its words are said", map.querySelector(".readout").textContent.startsWith(`row ${canvas.dataset.row}, cluster`));
    const small = tip.querySelector("canvas");
    const pixels = small.getContext("2d").getImageData(0, 0, small.width, small.height).data;
    check("its image is shown", shown(tip) && new Set(pixels).size > 2);

    const row = canvas.dataset.row;
    canvas.focus();
    for (const way of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) if (canvas.dataset.row === row) key(canvas, way);
    check("arrow keys go from point to point", canvas.dataset.row !== row && canvas.dataset.row !== "");
    const picture = () => canvas.toDataURL();
    const whole = picture();
    map.querySelector("[data-zoom=in]").click();
    const near = picture();
    check("the map is zoomed", near !== whole);
    point("pointerdown", 0.5, 0.5); point("pointermove", 0.7, 0.6); point("pointerup", 0.7, 0.6);
    check("the map is moved", picture() !== near);
    key(canvas, "Escape");
    check("Escape lets go of the point", tip.hidden && canvas.dataset.row === "");
    map.querySelector("[data-zoom=reset]").click();
    const cluster = picture();
    map.querySelector("input[value=error]").click();
    const error = picture();
    map.querySelector("input[value=label]").click();
    check("the map is coloured by cluster, error and label", new Set([cluster, error, picture()]).size === 3);

    const links = [...document.querySelectorAll("a.data")];
    check("every figure has its data", [...document.querySelectorAll("figcaption")].length > 0 && links.every((a) => a.href.startsWith("data:") && !a.hidden));
    check(`nothing went wrong: ${wrong.join("; ")}`, wrong.length === 0);
    lines.push("done");
  };

  const tell = () => {
    const outcome = document.createElement("pre");
    outcome.id = "outcome";
    outcome.textContent = lines.join("\n");
    document.body.append(outcome);
  };
  drive().catch((e) => lines.push(`not ${e}`)).finally(tell);
}
