// Shared by the scripts here: a headless Chromium and the preview server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const candidates = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

// launch starts a Chromium that resolves only hosts of this machine. secure, the
// address of the preview server's HTTPS listener, maps https://app.example to it.
export function launch({ secure } = {}) {
	const executablePath = candidates.find((path) => path && existsSync(path));
	if (!executablePath) {
		throw new Error("no Chromium; install it (Debian: apt-get install chromium) or set CHROMIUM");
	}
	const rules = ["MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1"];
	if (secure) rules.unshift(`MAP app.example:443 ${secure}`);
	return chromium.launch({
		executablePath,
		args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", `--host-resolver-rules=${rules.join(",")}`],
	});
}

// preview starts the command preview, and returns its addresses and stop.
export async function preview() {
	const command = process.env.PREVIEW;
	if (!command) throw new Error("PREVIEW is not set; run scripts/browser.sh");
	const child = spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
	const exited = once(child, "exit");
	const lines = createInterface({ input: child.stdout });
	const [line] = await Promise.race([once(lines, "line"), exited.then(([code]) => { throw new Error(`preview ended: ${code}`); })]);
	return { ...JSON.parse(line), stop: () => { child.stdin.end(); return exited; } };
}

// allow presses Allow with the mouse as a user does: the pointer moves to the
// button and stays there until it is uncovered. The page is scrolled before, since
// it would move away below a pointer that stays.
export async function allow(page, options) {
	const button = page.getByRole("button", { name: "Allow", exact: true });
	await button.scrollIntoViewIfNeeded();
	const { x, y, width, height } = await button.boundingBox();
	await page.mouse.move(x + width / 2, y + height / 2, { steps: 3 });
	await button.click(options);
}
