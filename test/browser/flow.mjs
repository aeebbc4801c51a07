// The whole authorization in a real browser, against a running broker:
// BASE_URL=http://localhost:8080 node --test flow.mjs, by scripts/browser.sh flow.
//
// This script is the client, on a loopback port. The users sign in at the local
// Cognito as SIGN_IN_AS, and as OTHER_SIGN_IN_AS after "Use another account".
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { allow, launch } from "./browser.mjs";

const base = process.env.BASE_URL;
const alice = { username: process.env.SIGN_IN_AS ?? "alice", password: process.env.PASSWORD ?? "Correct-Horse-9" };
const bob = { username: process.env.OTHER_SIGN_IN_AS ?? "bob", password: process.env.OTHER_PASSWORD ?? "Battery-Staple-7" };
const expired = "This page has expired";
const unknown = "This browser does not know this sign-in";

let browser, client, metadata;

before(async () => {
	if (!base) throw new Error("BASE_URL, the origin of the broker, is not set");
	metadata = await (await fetch(`${base}/.well-known/oauth-authorization-server`)).json();
	client = await startClient();
	browser = await launch();
});

after(async () => {
	await browser?.close();
	client?.server.close();
});

// startClient registers a client that stores the responses it gets.
async function startClient() {
	const answers = [];
	const server = createServer((request, response) => {
		const url = new URL(request.url, "http://client");
		if (url.pathname === "/callback") answers.push(Object.fromEntries(url.searchParams));
		response.setHeader("Content-Type", "text/html; charset=utf-8");
		response.end("<!doctype html><title>client</title><h1>The client has its answer</h1><script>window.opener?.postMessage(location.search, location.origin)</script>");
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const redirectURI = `http://127.0.0.1:${server.address().port}/callback`;
	const response = await fetch(metadata.registration_endpoint, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ client_name: "Browser test", redirect_uris: [redirectURI], token_endpoint_auth_method: "none", application_type: "native" }),
	});
	const registration = await response.json();
	assert.equal(response.status, 201, JSON.stringify(registration));
	return { server, answers, redirectURI, id: registration.client_id };
}

// authorization returns a request of the client, with its state and verifier.
function authorization() {
	const verifier = randomBytes(32).toString("base64url"), state = randomBytes(16).toString("base64url");
	const url = new URL(metadata.authorization_endpoint);
	url.search = new URLSearchParams({
		response_type: "code", client_id: client.id, redirect_uri: client.redirectURI, state,
		code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
		...(process.env.RESOURCE && { resource: process.env.RESOURCE }),
	});
	return { url: url.href, state, verifier };
}

function redeem(code, verifier) {
	return fetch(metadata.token_endpoint, {
		method: "POST",
		body: new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: client.redirectURI, client_id: client.id, code_verifier: verifier }),
	});
}

const sentTo = (state) => client.answers.filter((answer) => answer.state === state);
const heading = (page) => page.getByRole("heading", { level: 1 });
const button = (page, name) => page.getByRole("button", { name, exact: true });

// profile returns a new browser profile, without scripts.
async function profile(t) {
	const context = await browser.newContext({ javaScriptEnabled: false });
	t.after(() => context.close());
	return context;
}

async function signIn(page, { username, password }) {
	await page.locator("input[name=username]").fill(username);
	await page.locator("input[name=password]").fill(password);
	await page.locator("button[type=submit]").click();
}

// ask opens a request, and signs in up to the consent page.
async function ask(page, request, user = alice) {
	await page.goto(request.url);
	await page.locator("input[name=username], #decide").first().waitFor();
	if (await page.locator("input[name=username]").count()) await signIn(page, user);
	await button(page, "Allow").waitFor();
	assert.match(page.url(), /\/consent\?transaction=[\w-]{16}$/);
}

function atClient(page) {
	return page.waitForURL((url) => url.href.startsWith(client.redirectURI));
}

test("allow: the client gets a code that can be used once", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	assert.match(await page.locator(".account").textContent(), new RegExp(alice.username));
	assert.equal(await page.locator(".place").textContent(), "An app on this device");
	await page.reload(); // the consent page can be reloaded
	await allow(page);
	await atClient(page);
	const [answer] = sentTo(request.state);
	assert.equal(answer.iss, metadata.issuer);
	assert.equal(answer.error, undefined);

	const first = await redeem(answer.code, request.verifier);
	const token = await first.json();
	assert.equal(first.status, 200, JSON.stringify(token));
	assert.ok(token.access_token && token.refresh_token, "no tokens");
	const second = await redeem(answer.code, request.verifier);
	assert.deepEqual([second.status, (await second.json()).error], [400, "invalid_grant"]);
});

test("cancel: the client gets an error", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	await button(page, "Cancel").click();
	await atClient(page);
	const [{ error, iss, code }] = sentTo(request.state);
	assert.deepEqual({ error, iss, code }, { error: "access_denied", iss: metadata.issuer, code: undefined });
	await page.goBack();
	await heading(page).waitFor();
	assert.equal(await heading(page).textContent(), expired);
});

test("back: the same answer until the code is used, then none", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	const consent = page.url();
	await allow(page);
	await atClient(page);
	await page.goBack(); // to the consent page, which has the decision
	await atClient(page);
	const codes = new Set(sentTo(request.state).map(({ code }) => code));
	assert.equal(codes.size, 1, "there are several codes");
	assert.equal((await redeem([...codes][0], request.verifier)).status, 200);
	await page.goto(consent);
	assert.equal(await heading(page).textContent(), expired);
});

test("double click: one response", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	await allow(page, { clickCount: 2 });
	await atClient(page);
	assert.equal(sentTo(request.state).length, 1);
});

test("two tabs: each has its own answer", async (t) => {
	const context = await profile(t);
	const [older, newer] = [await context.newPage(), await context.newPage()];
	const first = authorization(), second = authorization();
	await older.goto(first.url); // both wait for the sign-in
	await ask(newer, second);
	await ask(older, first);
	await allow(older);
	await atClient(older);
	assert.deepEqual(sentTo(second.state), [], "the older page answered the newer request");
	await button(newer, "Cancel").click();
	await atClient(newer);
	assert.deepEqual(sentTo(first.state).map(({ error }) => error), [undefined]);
	assert.deepEqual(sentTo(second.state).map(({ error }) => error), ["access_denied"]);
});

test("another cookie: a page and no code", async (t) => {
	const context = await profile(t);
	const page = await context.newPage();
	const request = authorization();
	await ask(page, request);
	const consent = page.url();
	const cookies = (await context.cookies()).filter(({ name }) => name.includes("dcr_tx_"));
	assert.equal(cookies.length, 1, "want one transaction cookie");
	assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Lax", JSON.stringify(cookies[0]));
	await context.addCookies([{ ...cookies[0], value: randomBytes(38).toString("base64url") }]);
	await allow(page);
	await page.getByRole("heading", { level: 1, name: unknown }).waitFor();
	await page.goto(consent);
	assert.equal(await heading(page).textContent(), unknown);
	assert.deepEqual(sentTo(request.state), []);
});

// callbackOf signs in for a request, and returns the address of the callback
// without opening it. The local Cognito's form has the fields _csrf, username and
// password.
async function callbackOf(context, request, user) {
	let response = await context.request.get(request.url, { maxRedirects: 0 });
	for (let steps = 0; steps < 10; steps++) {
		const location = response.headers().location;
		if (location) {
			const next = new URL(location, response.url());
			if (next.pathname === "/callback") return next.href;
			response = await context.request.get(next.href, { maxRedirects: 0 });
			continue;
		}
		const page = await response.text();
		const value = (pattern) => page.match(pattern)?.[1].replaceAll("&amp;", "&").replaceAll("&#43;", "+");
		const action = value(/<form[^>]* action="([^"]*)"/), csrf = value(/name="_csrf" value="([^"]*)"/);
		assert.ok(action && csrf, `no sign-in form at ${response.url()}: ${page}`);
		response = await context.request.post(new URL(action, response.url()).href, { form: { _csrf: csrf, ...user }, maxRedirects: 0 });
	}
	throw new Error(`no callback after 10 steps: ${await response.text()}`);
}

// An attacker signs in and lets the victim's browser open the callback, which
// would sign the victim in to the attacker's account (login CSRF).
for (const [who, started] of [["with no request of its own", false], ["with a request of its own", true]]) {
	test(`other browser: a callback ends there, ${who}`, async (t) => {
		const [attacker, victim] = [await profile(t), await profile(t)];
		const request = authorization(), own = authorization();
		const callback = await callbackOf(attacker, request, bob);
		const page = await victim.newPage();
		if (started) await page.goto(own.url);
		await page.goto(callback);
		assert.equal(await heading(page).textContent(), unknown);
		assert.doesNotMatch(page.url(), /code=/, "the code stays in the address bar");
		assert.deepEqual([...sentTo(request.state), ...sentTo(own.state)], []);
	});
}

test("other account: the page names the user who signs in next", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	await button(page, "Use another account").click();
	await page.locator("input[name=username]").waitFor();
	await signIn(page, bob);
	await button(page, "Allow").waitFor();
	assert.match(await page.locator(".account").textContent(), new RegExp(bob.username));
	assert.doesNotMatch(await page.locator(".account").textContent(), new RegExp(alice.username));
	await allow(page);
	await atClient(page);
	assert.equal(sentTo(request.state).length, 1);
});

// A web client opens the sign-in in a popup, whose last page sends the answer to
// the window that opened it.
test("popup: the window that opened it gets the answer", async (t) => {
	const context = await browser.newContext();
	t.after(() => context.close());
	const page = await context.newPage();
	const request = authorization();
	await page.goto(new URL("/", client.redirectURI).href);
	const opened = page.waitForEvent("popup");
	await page.evaluate((url) => {
		window.addEventListener("message", ({ data }) => { document.title = data; });
		window.open(url, "", "popup");
	}, request.url);
	const popup = await opened;
	await signIn(popup, alice);
	await allow(popup);
	await page.waitForFunction(() => document.title.includes("code="));
	assert.equal(new URLSearchParams(await page.title()).get("state"), request.state);
});

test("forged: another site cannot press the button", async (t) => {
	const page = await (await profile(t)).newPage();
	const request = authorization();
	await ask(page, request);
	const value = (name) => page.locator(`input[name=${name}]`).inputValue(); // even if the attacker knows them
	const csrf = await value("csrf"), transaction = await value("transaction");
	const evil = await page.context().newPage();
	await evil.goto(new URL("/", client.redirectURI).href);
	await evil.setContent(`<form method="post" action="${new URL("/authorize", base)}"><input name="transaction" value="${transaction}"><input name="csrf" value="${csrf}"><button name="decision" value="allow">Win</button></form>`);
	await button(evil, "Win").click();
	await evil.waitForURL((url) => url.origin === new URL(base).origin);
	assert.equal(await heading(evil).textContent(), unknown);
	assert.deepEqual(sentTo(request.state), []);
	await allow(page); // the user's own page still works
	await atClient(page);
	assert.equal(sentTo(request.state).length, 1);
});

test("unknown client: a page, and no redirect", async (t) => {
	const page = await (await profile(t)).newPage();
	const url = new URL(authorization().url);
	url.searchParams.set("client_id", "dcr_nobody");
	const response = await page.goto(url.href);
	assert.equal(response.status(), 400);
	assert.equal(await heading(page).textContent(), "This app has to register again");
});
