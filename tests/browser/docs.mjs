// node docs.mjs PAGE IMAGE < CALLS: opens the documentation page in a real browser, makes the calls in it as a person
// would, and prints what it saw. IMAGE.png shows the page when it opens, IMAGE-call.png the last call.
//
// A call is {"authorization": the input for the Authorize dialog, or null to keep the previous one,
//            "operation": operationId, "parameters": {name: value}, "body": text}.

import { text } from "node:stream/consumers";
import { withTab } from "./open.mjs";

const [page, image] = process.argv.slice(2);
const calls = JSON.parse(await text(process.stdin));
const seen = { title: "", operations: [], calls: [], requests: [], complaints: [] };

await withTab(async (tab) => {
  tab.on("request", (request) => seen.requests.push(request.url()));
  tab.on("console", (line) => {
    if (["error", "warning"].includes(line.type())) seen.complaints.push(line.text());
  });
  tab.on("pageerror", (error) => seen.complaints.push(String(error)));
  tab.on("crash", () => seen.complaints.push("the page crashed"));

  await tab.goto(page);
  await tab.locator(".opblock").first().waitFor();
  seen.title = await tab.locator(".info .title").innerText();
  const ids = await tab.locator(".opblock").evaluateAll((blocks) => blocks.map((block) => block.id));
  seen.operations = ids.map((id) => id.split("-").at(-1));
  await tab.screenshot({ path: `${image}.png` });
  for (const call of calls) seen.calls.push(await make(tab, call));
  const block = tab.locator(`.opblock[id$="-${calls.at(-1).operation}"]`);
  await block.evaluate((element) => element.scrollIntoView());
  await tab.screenshot({ path: `${image}-call.png` });
});
console.log(JSON.stringify(seen));

async function make(tab, { authorization, operation, parameters = {}, body }) {
  if (authorization) await authorise(tab, authorization);
  const block = tab.locator(`.opblock[id$="-${operation}"]`);
  if (!(await block.getAttribute("class")).includes("is-open")) {
    await block.locator(".opblock-summary-control").click();
  }
  for (const [name, value] of Object.entries(parameters)) {
    await block.locator(`tr[data-param-name="${name}"] input`).fill(value);
  }
  const editor = block.locator("textarea.body-param__text");
  const example = (await editor.count()) ? await editor.inputValue() : null;
  if (body) await editor.fill(body);

  const answered = tab.waitForResponse((response) => response.request().resourceType() === "fetch");
  await block.locator(".execute").click();
  const response = await answered;
  const row = block.locator(".live-responses-table tr.response");
  await row.waitFor();
  const request = response.request();
  return {
    example,
    method: request.method(),
    url: request.url(),
    headers: await request.allHeaders(),
    sent: request.postData(),
    status: response.status(),
    body: await response.text(),
    shown_status: (await row.locator(".response-col_status").innerText()).trim().split(/\s/)[0],
    page: await tab.content(),
  };
}

async function authorise(tab, value) {
  await tab.locator(".scheme-container .authorize").click();
  const dialog = tab.locator(".dialog-ux");
  const scheme = dialog.locator(".auth-container").filter({ hasText: "sigv4" });
  const logout = scheme.getByRole("button", { name: /logout|remove authorization/i });
  if (await logout.count()) await logout.click();
  await scheme.locator("input").fill(value);
  await scheme.locator("button.authorize").click();
  await dialog.locator("button.btn-done").click();
  await dialog.waitFor({ state: "detached" });
}
