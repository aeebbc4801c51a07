// Every page in a real browser: node --test pages.mjs, by scripts/browser.sh.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { allow, launch, preview } from "./browser.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let server, browser;

before(async () => {
	server = await preview();
	browser = await launch({ secure: server.https });
});

after(async () => {
	await browser?.close();
	await server?.stop();
});

// open returns a page in a new browser profile, which is closed after the test.
// Scripts are off unless the test turns them on.
async function open(t, options) {
	const context = await browser.newContext({ javaScriptEnabled: false, ignoreHTTPSErrors: true, ...options });
	t.after(() => context.close());
	return context.newPage();
}

// hold keeps a page at the preview's origin, so that it can be examined: on an
// answer without content a browser stays on the page.
function hold(page) {
	return page.route((url) => url.origin !== server.pages, (route) => route.fulfill({ status: 204 }));
}

test("axe-core finds nothing serious", async (t) => {
	for (const colorScheme of ["light", "dark"]) {
		const page = await open(t, { javaScriptEnabled: true, colorScheme, viewport: { width: 800, height: 900 } });
		await hold(page);
		for (const path of server.paths) {
			await page.goto(server.pages + path);
			await page.evaluate(axe);
			const { violations, passes } = await page.evaluate((values) => window.axe.run({ runOnly: { type: "tag", values } }), standards);
			assert.ok(passes.some(({ id }) => id === "color-contrast"), `${path}: axe-core did not measure contrast`);
			const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
			assert.deepEqual(serious.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`), [], `${path}, ${colorScheme}`);
		}
	}
});

test("axe-core finds a serious violation", async (t) => {
	const page = await open(t, { javaScriptEnabled: true });
	await page.goto(server.pages + "/consent/https");
	await page.evaluate(axe);
	const found = await page.evaluate(async (values) => {
		document.documentElement.removeAttribute("lang");
		document.querySelector("h1").style.color = "#ccc";
		return (await window.axe.run({ runOnly: { type: "tag", values } })).violations.map(({ id }) => id);
	}, standards);
	assert.ok(found.includes("html-has-lang"), `found ${found}`);
	assert.ok(found.includes("color-contrast"), `found ${found}`);
});

test("no page is wider than 320 pixels, also with text at twice the size", async (t) => {
	for (const [width, fontSize] of [[320, "16px"], [640, "32px"]]) {
		const page = await open(t, { javaScriptEnabled: true, viewport: { width, height: 640 } });
		await hold(page);
		for (const path of server.paths) {
			await page.goto(server.pages + path);
			const { content, screen } = await page.evaluate((fontSize) => {
				document.documentElement.style.fontSize = fontSize;
				return { content: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth };
			}, fontSize);
			assert.ok(content <= screen, `${path} is ${content} pixels wide on a screen of ${screen}`);
		}
	}
});

test("no page loads anything from another origin", async (t) => {
	const page = await open(t, { javaScriptEnabled: true });
	await hold(page);
	const foreign = [], refused = [];
	page.on("request", (request) => {
		const navigation = request.isNavigationRequest() && page.url().includes("/continue/");
		if (new URL(request.url()).origin !== server.pages && !navigation) foreign.push(request.url());
	});
	page.on("console", (message) => {
		if (message.text().includes("Content Security Policy")) refused.push(message.text());
	});
	page.on("dialog", (dialog) => { foreign.push(dialog.message()); dialog.dismiss(); });
	for (const path of server.paths) {
		await page.goto(server.pages + path, { waitUntil: "load" });
		assert.doesNotMatch(await page.title(), /owned/, path);
	}
	assert.deepEqual(foreign, []);
	assert.deepEqual(refused, [], "a page violates its own policy");
});

test("a name does not leave its box", async (t) => {
	for (const width of [320, 900]) {
		const page = await open(t, { javaScriptEnabled: true, viewport: { width, height: 900 } });
		for (const path of server.paths.filter((path) => path.startsWith("/consent/hostile-"))) {
			await page.goto(server.pages + path);
			const { outside, rows, text } = await page.evaluate(() => {
				const box = document.querySelector(".name dd"), frame = box.getBoundingClientRect();
				const range = document.createRange();
				range.selectNodeContents(box);
				const outside = [...range.getClientRects()].filter((r) => r.left < frame.left || r.right > frame.right || r.top < frame.top || r.bottom > frame.bottom);
				return { outside, rows: document.querySelectorAll(".name dd").length, text: getComputedStyle(box).overflow + " " + getComputedStyle(box).borderStyle };
			});
			assert.equal(rows, 1, path);
			assert.equal(text, "hidden dashed", path);
			assert.deepEqual(outside, [], `${path} at ${width} pixels: text outside the box`);
			assert.equal(await page.getByRole("button").count(), 3, path);
			assert.equal(await page.locator("img").count(), 1, `${path}: images other than the logo`);
		}
	}
});

test("the consent page has roles and names for a screen reader", async (t) => {
	const page = await open(t);
	await page.goto(server.pages + "/consent/loopback");
	for (const role of ["banner", "main"]) assert.equal(await page.getByRole(role).count(), 1, role);
	for (const [level, name] of [[1, "Allow access to Notes?"], [2, "The request comes from"], [2, "You are signed in as"], [2, "If you allow it, the app can"]]) {
		assert.equal(await page.getByRole("heading", { level, name, exact: true }).count(), 1, name);
	}
	assert.equal(await page.getByRole("listitem").count(), 4);
	for (const name of ["Allow", "Cancel", "Use another account"]) {
		assert.equal(await page.getByRole("button", { name, exact: true }).count(), 1, name);
	}
	assert.equal(await page.getByRole("link").count(), 0);
});

for (const [name, key, decision] of [["Use another account", "Enter", "switch"], ["Allow", "Enter", "allow"], ["Cancel", "Space", "cancel"]]) {
	test(`by keyboard alone: ${name}`, async (t) => {
		const page = await open(t);
		await page.goto(server.pages + "/consent/loopback");
		const order = [];
		const focused = page.locator("button:focus");
		do {
			await page.keyboard.press("Tab");
			order.push(await focused.textContent());
			const outline = await focused.evaluate((e) => parseFloat(getComputedStyle(e).outlineWidth));
			assert.ok(outline >= 2, `the focus outline of ${order.at(-1)} is ${outline} pixels wide`);
		} while (order.at(-1) !== name && order.length < 10);
		assert.deepEqual(order, ["Use another account", "Allow", "Cancel"].slice(0, order.length));
		await page.keyboard.press(key);
		await page.waitForURL((url) => url.origin === server.loopback);
		assert.equal(new URL(page.url()).searchParams.get("decision"), decision);
	});
}

// A window in which the whole consent page is visible.
const tall = { viewport: { width: 760, height: 1200 } };

// centre returns the middle of a button.
async function centre(page, name) {
	const { x, y, width, height } = await page.getByRole("button", { name, exact: true }).boundingBox();
	return [x + width / 2, y + height / 2];
}

// speed sets how fast the animations of a page run. At 0, a cover over Allow stays
// as it is, however slow this machine is.
async function speed(page, playbackRate) {
	const cdp = await page.context().newCDPSession(page);
	await cdp.send("Animation.enable");
	await cdp.send("Animation.setPlaybackRate", { playbackRate });
	return (rate) => cdp.send("Animation.setPlaybackRate", { playbackRate: rate });
}

// posts returns the decisions that the page has sent so far.
function posts(page) {
	const sent = [];
	page.on("request", (request) => { if (request.method() === "POST") sent.push(new URLSearchParams(request.postData()).get("decision")); });
	return sent;
}

// Another site has the user double-click in its popup, and closes that at the first
// press of the button. The second click goes to the consent page below.
for (const reducedMotion of ["no-preference", "reduce"]) {
	for (const waited of [100, 5000]) {
		test(`a double click that began in a popup decides nothing, ${waited} ms after loading, motion: ${reducedMotion}`, async (t) => {
			const page = await open(t, { reducedMotion, ...tall });
			const sent = posts(page);
			await page.goto(server.pages + "/consent/loopback");
			const [x, y] = await centre(page, "Allow");
			const evil = await open(t, { javaScriptEnabled: true, ...tall });
			const opened = evil.waitForEvent("popup");
			await evil.evaluate(() => window.open("", "", "popup").document.write("<body onmousedown='window.close()'><h1>Double-click here</h1>"));
			const popup = await opened;
			await popup.mouse.move(x, y);
			await sleep(waited);
			const closed = popup.waitForEvent("close");
			await popup.mouse.down().catch(() => {}); // the popup closes at once
			await closed;
			const run = await speed(page, 0);
			await page.mouse.move(x, y); // the window below gets the pointer
			await page.mouse.down();
			await page.mouse.up();
			await run(1);
			await sleep(1000);
			assert.deepEqual(sent, []);
			await page.mouse.click(x, y); // the user's own click
			await page.waitForURL((url) => url.origin === server.loopback);
			assert.deepEqual(sent, ["allow"]);
		});
	}
}

// The pointer is over Allow while the page loads, and was there on the page before.
test("a double click that began on the page before decides nothing", async (t) => {
	const page = await open(t, tall);
	await page.goto(server.pages + "/consent/loopback");
	const [x, y] = await centre(page, "Allow");
	await page.goto(server.pages + "/problem/1");
	await page.mouse.move(x, y);
	const sent = posts(page);
	await page.mouse.down();
	await page.mouse.up();
	const run = await speed(page, 0);
	await page.goto(server.pages + "/consent/loopback");
	await page.mouse.down();
	await page.mouse.up();
	await run(1);
	await sleep(1000);
	assert.deepEqual(sent, []);
	await page.mouse.move(x, y + 1);
	await sleep(1000);
	await page.mouse.click(x, y + 1); // the user's own click
	await page.waitForURL((url) => url.origin === server.loopback);
	assert.deepEqual(sent, ["allow"]);
});

test("Allow is covered again when the pointer leaves the form", async (t) => {
	const page = await open(t, tall);
	const sent = posts(page);
	await page.goto(server.pages + "/consent/loopback");
	const [x, y] = await centre(page, "Allow");
	await page.mouse.move(x, y);
	await sleep(1000);
	await page.mouse.move(5, 5);
	await speed(page, 0);
	await page.mouse.move(x, y);
	await page.mouse.down();
	await page.mouse.up();
	await sleep(1000);
	assert.deepEqual(sent, []);
});

// A game of fast clicks goes on for longer than the cover lasts, so each press of
// the cover begins its time again.
for (const touch of [false, true]) {
	test(`a click on the cover over Allow begins its time again, touch: ${touch}`, async (t) => {
		const page = await open(t, { javaScriptEnabled: true, hasTouch: touch, isMobile: touch, ...tall });
		const sent = posts(page);
		const run = await speed(page, 0.1);
		await page.goto(server.pages + "/consent/loopback");
		const [x, y] = await centre(page, "Allow");
		await page.mouse.move(x, y);
		const covers = () => page.evaluate(() => {
			const [first, ...others] = document.getAnimations();
			const known = first && first === window.cover;
			window.cover = first;
			return { running: first !== undefined, known, others: others.length };
		});
		assert.deepEqual(await covers(), { running: true, known: false, others: 0 });
		assert.deepEqual(await covers(), { running: true, known: true, others: 0 });
		await page.mouse.down();
		assert.deepEqual(await covers(), { running: false, known: undefined, others: 0 }, "while the button of the mouse is down");
		await page.mouse.up();
		assert.deepEqual(await covers(), { running: true, known: false, others: 0 }, "after it");
		assert.deepEqual(sent, []);
		await run(1);
		await page.evaluate(() => window.cover.finished);
		await page.mouse.click(x, y); // the user's own click
		await page.waitForURL((url) => url.origin === server.loopback);
		assert.deepEqual(sent, ["allow"]);
	});
}

// Another site can open this page at any fragment. A button with an id would get the
// focus, and a key that the user holds down would press it.
test("no fragment moves the focus to a button", async (t) => {
	const page = await open(t, { javaScriptEnabled: true, ...tall });
	const sent = posts(page);
	await page.goto(server.pages + "/consent/loopback");
	const names = await page.evaluate(() => [...document.querySelectorAll("[id], [name]")].flatMap((e) => [e.id, e.getAttribute("name")]).filter(Boolean));
	assert.ok(names.includes("decide"), `found ${names}`);
	for (const name of names) {
		await page.goto("about:blank");
		await page.goto(`${server.pages}/consent/loopback#${name}`);
		await page.keyboard.press("Enter");
		await page.keyboard.press("Space");
		assert.equal(await page.locator(":focus").count(), 0, name);
	}
	assert.deepEqual(sent, []);
	assert.equal(await page.locator("[autofocus], [accesskey], [tabindex]").count(), 0);
});

test("the cover over Allow lasts 0.6 seconds", async (t) => {
	for (const reducedMotion of ["no-preference", "reduce"]) {
		for (const touch of [false, true]) {
			const page = await open(t, { javaScriptEnabled: true, reducedMotion, hasTouch: touch, isMobile: touch, ...tall });
			await page.goto(server.pages + "/consent/loopback");
			const cover = () => page.evaluate(() => {
				const { animationName, animationDuration, animationDelay } = getComputedStyle(document.querySelector(".guard"), "::after");
				return [animationName, animationDuration, animationDelay];
			});
			const what = `motion ${reducedMotion}, touch ${touch}`;
			assert.deepEqual(await cover(), [touch ? "uncover" : "none", "0.6s", "0s"], what);
			if (touch) continue;
			await page.mouse.move(...await centre(page, "Allow"));
			assert.deepEqual(await cover(), ["uncover", "0.6s", "0s"], what);
		}
	}
});

test("Cancel works at once", async (t) => {
	const page = await open(t, tall);
	const sent = posts(page);
	await page.goto(server.pages + "/consent/loopback");
	await page.mouse.click(...await centre(page, "Cancel"));
	await page.waitForURL((url) => url.origin === server.loopback);
	assert.deepEqual(sent, ["cancel"]);
});

for (const reducedMotion of ["no-preference", "reduce"]) {
	test(`on touch Allow works 0.6 seconds after loading, motion: ${reducedMotion}`, async (t) => {
		const page = await open(t, { hasTouch: true, isMobile: true, viewport: { width: 360, height: 740 }, reducedMotion });
		const sent = posts(page);
		const run = await speed(page, 0);
		await page.goto(server.pages + "/consent/loopback");
		await page.getByRole("button", { name: "Allow", exact: true }).scrollIntoViewIfNeeded();
		const at = await centre(page, "Allow");
		await page.touchscreen.tap(...at);
		await page.touchscreen.tap(...at);
		await run(1);
		await sleep(1000);
		assert.deepEqual(sent, [], "a tap right after loading decides");
		await page.touchscreen.tap(...at);
		await page.waitForURL((url) => url.origin === server.loopback);
		assert.deepEqual(sent, ["allow"]);
	});
}

for (const [kind, origin] of [["https", () => "https://app.example"], ["loopback", () => server.loopback]]) {
	test(`the page redirects to the redirect URI: ${kind}`, async (t) => {
		const page = await open(t);
		await page.goto(server.pages + "/consent/" + kind);
		await allow(page);
		await page.waitForURL((url) => url.origin === origin());
		assert.equal(page.url(), origin() + "/callback?decision=allow&iss=http%3A%2F%2Flocalhost");
		assert.equal(await page.locator("p").textContent(), "landed, referrer: none");
	});
}

// A headless browser cannot ask the user whether to start a program, so the
// navigation fails; these tests check that it was attempted. After one attempt
// Chromium may ignore the next, so the link is tested on a page without refresh.
for (const way of ["by itself", "by its link"]) {
	test(`the page opens a private-use scheme: ${way}`, async (t) => {
		const page = await open(t);
		const cdp = await page.context().newCDPSession(page);
		await cdp.send("Network.enable");
		await cdp.send("Page.enable");
		const navigations = [], attempts = [];
		cdp.on("Page.frameRequestedNavigation", ({ reason, url }) => navigations.push([reason, url]));
		cdp.on("Network.requestWillBeSent", ({ request, type }) => {
			if (!request.url.startsWith("http")) attempts.push([type, request.url]);
		});
		if (way === "by its link") {
			await page.route("**/authorize", async (route) => {
				const response = await route.fetch(), body = await response.text();
				const still = body.replace(/<meta http-equiv="refresh"[^>]*>/, "");
				assert.notEqual(still, body, "the page has no refresh");
				await route.fulfill({ response, body: still });
			});
		}
		const target = "com.example.app:/callback?decision=allow&iss=http%3A%2F%2Flocalhost";
		await page.goto(server.pages + "/consent/private-use");
		await allow(page);
		if (way === "by its link") await page.getByRole("link", { name: "Continue" }).click();
		for (const end = Date.now() + 30_000; attempts.length === 0; await sleep(50)) {
			assert.ok(Date.now() < end, `no attempt in 30 seconds; navigations: ${JSON.stringify(navigations)}`);
		}
		assert.deepEqual(navigations.at(-1), [way === "by itself" ? "metaTagRefresh" : "anchorClick", target]);
		assert.deepEqual(attempts, [["Document", target]]);
		assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Going back to the app");
	});
}

// This is why the broker answers a form with a page and not a redirect.
test("the browser rejects a redirect as the answer to the form", async (t) => {
	const page = await open(t);
	const refused = page.waitForEvent("console", (message) => message.text().includes("form-action"));
	await page.goto(server.pages + "/consent/redirect");
	await allow(page);
	await refused;
	assert.equal(page.url(), server.pages + "/consent/redirect");
});

test("an error goes to an untrusted client only after a click", async (t) => {
	const page = await open(t);
	await page.goto(server.pages + "/back/https", { waitUntil: "networkidle" });
	assert.equal(page.url(), server.pages + "/back/https");
	await page.getByRole("link", { name: "Go back to app.example" }).click();
	await page.waitForURL("https://app.example/callback?error=invalid_scope");
	assert.equal(await page.locator("p").textContent(), "landed, referrer: none");
});

test("no page can be framed", async (t) => {
	const page = await open(t);
	const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
	await page.goto(server.loopback);
	await page.setContent(`<iframe src="${server.pages}/consent/https"></iframe>`);
	await refused;
	assert.equal(await page.frameLocator("iframe").getByRole("button", { name: "Allow" }).count(), 0);
});
