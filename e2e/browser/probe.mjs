import { launch, preview } from "./browser.mjs";
const server = await preview();
const browser = await launch({ secure: server.https });
const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
for (const kind of ["https", "loopback", "private-use", "redirect"]) {
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Page.enable"); await cdp.send("Network.enable"); await cdp.send("Log.enable");
  for (const e of ["Page.frameRequestedNavigation","Page.frameScheduledNavigation","Network.requestWillBeSent","Network.loadingFailed","Page.navigatedWithinDocument","Page.frameNavigated","Log.entryAdded"])
    cdp.on(e, x => console.log(kind, e, JSON.stringify(x.url ?? x.request?.url ?? x.errorText ?? x.frame?.url ?? x.entry?.text), x.reason ?? x.blockedReason ?? ""));
  page.on("console", m => console.log(kind, "console", m.text()));
  await page.goto(server.pages + "/consent/" + kind);
  await page.getByRole("button", { name: "Allow" }).click();
  await new Promise(r => setTimeout(r, 1500));
  console.log(kind, "URL", page.url(), await page.title());
}
await browser.close(); await server.stop();
