// Preview is a test kit: it serves every page of the broker, with sample and
// with hostile data, on a loopback port, for the browser tests in the directory
// above. It leaves out all checks of requests.
//
// It prints one line of JSON with its addresses, and exits when its standard
// input ends.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/pages"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "preview:", err)
		os.Exit(1)
	}
}

// addresses is the line that preview prints.
type addresses struct {
	// Pages serves the pages; Loopback and HTTPS are clients. HTTPS has a
	// self-signed certificate; a browser with a host rule reaches it as
	// https://app.example.
	Pages    string   `json:"pages"`
	Loopback string   `json:"loopback"`
	HTTPS    string   `json:"https"`
	Paths    []string `json:"paths"`
}

func run() error {
	loopback, err := listen(http.HandlerFunc(landed))
	if err != nil {
		return err
	}
	// httptest has a certificate for tests.
	secure := httptest.NewUnstartedServer(http.HandlerFunc(landed))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // browsers that reject the certificate
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	defer secure.Close()

	s, err := newSamples("http://" + loopback)
	if err != nil {
		return err
	}
	own, err := listen(s)
	if err != nil {
		return err
	}
	a := addresses{Pages: "http://" + own, Loopback: "http://" + loopback, HTTPS: strings.TrimPrefix(secure.URL, "https://"), Paths: s.paths}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// listen serves h on a free loopback port until the process ends.
func listen(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(l, h) }()
	return l.Addr().String(), nil
}

// landed serves a client's redirect URI.
func landed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	referrer := "none"
	if r.Referer() != "" {
		referrer = "some"
	}
	fmt.Fprintf(w, "<!doctype html><title>landed</title><p>landed, referrer: %s", referrer)
}

// samples serves pages by name.
type samples struct {
	pages    *pages.Pages
	bright   *pages.Pages // a brand whose accent has too little contrast
	loopback string
	paths    []string
	at       map[string]func(http.ResponseWriter)
}

func (s *samples) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, pages.AssetsPath) {
		s.pages.Assets().ServeHTTP(w, r)
		return
	}
	if r.URL.Path == pages.DecisionPath && r.Method == http.MethodPost {
		s.decide(w, r)
		return
	}
	serve, ok := s.at[r.URL.Path]
	if !ok {
		s.pages.Problem(w, pages.ProblemView{Problem: pages.NotFound})
		return
	}
	serve(w)
}

// decide answers a form. The form's csrf field names the sample. The answer has
// the decision, so that a test sees which button was pressed.
func (s *samples) decide(w http.ResponseWriter, r *http.Request) {
	u, ok := s.target(r.PostFormValue("csrf"))
	if !ok {
		s.pages.Problem(w, pages.ProblemView{Problem: pages.BadRequest})
		return
	}
	target := u.Raw + "?decision=" + r.PostFormValue("decision") + "&iss=http%3A%2F%2Flocalhost"
	if r.PostFormValue("csrf") == "redirect" {
		http.Redirect(w, r, target, http.StatusSeeOther)
		return
	}
	s.pages.Continue(w, pages.ContinueView{Target: target, Redirect: u})
}

func (s *samples) target(sample string) (dcr.RedirectURI, bool) {
	switch sample {
	case "https", "redirect":
		return parsed("https://app.example/callback"), true
	case "loopback":
		return parsed(s.loopback + "/callback"), true
	case "private-use":
		return parsed("com.example.app:/callback"), true
	}
	return dcr.RedirectURI{}, false
}
