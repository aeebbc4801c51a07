package emulator

import (
	"bytes"
	"html/template"
	"net/http"
)

// pageData is the content of the pages.
type pageData struct {
	Title, Message           string
	Client, Name, CSRF, Pool string
	Action                   string
}

const pageHead = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - local Cognito</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: Canvas; color: CanvasText; }
main { max-width: 24rem; margin: 12vh auto; padding: 0 1.5rem; }
.local { border-left: 4px solid #b45309; padding: .5rem .75rem; font-size: .875rem; background: color-mix(in srgb, #b45309 12%, Canvas); }
h1 { font-size: 1.5rem; margin: 1.5rem 0 .25rem; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; margin-top: .25rem; border: 1px solid GrayText; border-radius: 4px; }
button { font: inherit; font-weight: 600; width: 100%; margin-top: 1.5rem; padding: .6rem; border: 0; border-radius: 4px; background: #1d4ed8; color: #fff; cursor: pointer; }
button:focus-visible, input:focus-visible { outline: 3px solid #93c5fd; }
.error { color: #b91c1c; font-weight: 600; }
code { overflow-wrap: anywhere; }
</style>
</head>
<body>
<main>
<p class="local">This is a LOCAL Cognito for development. It is not Amazon's, and its accounts exist nowhere else.</p>
`

var (
	loginPage = template.Must(template.New("login").Parse(pageHead + `<h1>Sign in</h1>
<p>to continue to <strong>{{.Client}}</strong><br><small>user pool <code>{{.Pool}}</code></small></p>
{{with .Message}}<p class="error" role="alert">{{.}}</p>{{end}}
<form method="post" action="{{.Action}}">
<input type="hidden" name="_csrf" value="{{.CSRF}}">
<label for="username">Username</label>
<input id="username" name="username" value="{{.Name}}" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
`))
	errorPage = template.Must(template.New("error").Parse(pageHead + `<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
</main>
</body>
</html>
`))
)

// serveErrorPage shows the error of a request whose client or redirect URI
// cannot be trusted.
func serveErrorPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	message := "error=" + q.Get("error")
	if d := q.Get("error_description"); d != "" {
		message += " (" + d + ")"
	}
	if q.Get("error") == "redirect_mismatch" {
		message += ": the address to return to is not one of those registered for this app client. Every character counts, the port too."
	}
	writePage(w, http.StatusBadRequest, errorPage, pageData{Title: "An error was encountered with the requested page.", Message: message})
}

func writePage(w http.ResponseWriter, status int, t *template.Template, data pageData) {
	var page bytes.Buffer
	if err := t.Execute(&page, data); err != nil { // cannot happen: the data has every field of the template
		http.Error(w, "template", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// No form-action: browsers apply it to the redirect that follows the form,
	// which goes to the client.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}
