package dcr

import "strings"

// validScheme reports whether s has the syntax of a URI scheme (RFC 3986 §3.1).
func validScheme(s string) bool {
	if s == "" || !isAlpha(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isAlnum(s[i]) && strings.IndexByte("+-.", s[i]) < 0 {
			return false
		}
	}
	return true
}

// forbiddenScheme reports whether a lower-case scheme has a meaning for a
// browser, an operating system or a widespread program: a redirect to it would
// then not return to the client. A private-use scheme is one that the app
// controls (RFC 8252 §7.1). No policy can allow these schemes.
func forbiddenScheme(s string) bool {
	for _, p := range forbiddenPrefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	switch s {
	case "javascript", "vbscript", "livescript", "mocha", "data", // run or show the URI's own content
		"blob", "filesystem", "about", "view-source", "wyciwyg", "jar", "mhtml", "mk", "cid", "mid", "res", "resource",
		"chrome", "devtools", "edge", "brave", "opera", "vivaldi", "firefox", "safari", "feed", "pcast", "webcal", "urn": // the browser's own
		return true
	case "file", "content", "smb", "nfs", "afp", "dav", "davs", "ftp", "ftps", "sftp", "tftp", "gopher", "dict", "nntp", "news", "ldap",
		"ldaps", "imap", "pop", "ws", "wss", "rtsp", "git", "svn", "rsync", "ssh", "telnet", "tn3270", "rlogin", "rdp", "vnc": // other protocols
		return true
	case "mailto", "tel", "callto", "sms", "smsto", "mms", "mmsto", "sip", "sips", "facetime", "facetime-audio", "skype", "xmpp",
		"irc", "ircs", "geo", "maps", "magnet", "bitcoin": // call, write to or pay another person
		return true
	case "intent", "android-app", "market", "itms", "itmss", "itms-apps", "itms-appss", "itms-services", "shortcuts", "applescript",
		"workflow", "prefs", "app-prefs", "steam", "jnlp", "jnlps": // start or install a program
		return true
	case "search", "search-ms", "shell", "hcp", "help", "onenote", "callshell", "windowsdefender", "bingmaps": // Windows handlers
		return true
	}
	return false
}

// forbiddenPrefixes covers families of schemes too large to list.
var forbiddenPrefixes = []string{
	"chrome-", "edge-", "firefox-", "moz-", "opera-", "safari-", "googlechrome", "x-safari-", "x-web-search",
	"ms-", "microsoft-", "microsoft.", "x-apple", "x-man-page", "com.apple.",
}
