// Writes the screenshots in docs/screenshots.
import { mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { launch, preview } from "./browser.mjs";

const limit = 150 * 1024; // bytes of a screenshot
const desktop = { width: 760, height: 600 };
const phone = { width: 360, height: 740 };

const screenshots = [
	{ name: "consent-light", path: "/consent/https", viewport: desktop },
	{ name: "consent-dark", path: "/consent/https", viewport: desktop, colorScheme: "dark" },
	{ name: "consent-phone", path: "/consent/https", viewport: phone, deviceScaleFactor: 1.5 },
	{ name: "consent-loopback", path: "/consent/loopback", viewport: desktop },
	{ name: "error", path: "/problem/1", viewport: desktop },
];

const directory = process.argv[2] ?? fileURLToPath(new URL("../../docs/screenshots", import.meta.url));
const only = process.argv.slice(3); // other pages, or "all"
await mkdir(directory, { recursive: true });
const server = await preview();
const browser = await launch();
try {
	const extra = (only[0] === "all" ? server.paths : only).map((path) => ({ name: path.slice(1).replaceAll("/", "-"), path, viewport: desktop }));
	for (const { name, path, ...options } of extra.length ? extra : screenshots) {
		const page = await browser.newPage({ colorScheme: "light", javaScriptEnabled: false, ...options });
		await page.goto(server.pages + path, { waitUntil: "load" });
		const file = `${directory}/${name}.png`;
		await page.screenshot({ path: file, fullPage: true, animations: "disabled" });
		const { size } = await stat(file);
		if (extra.length === 0 && size > limit) throw new Error(`${name}.png has ${size} bytes; at most ${limit}`);
		console.log(`${name}.png ${size} bytes`);
		await page.close();
	}
} finally {
	await browser.close();
	await server.stop();
}
