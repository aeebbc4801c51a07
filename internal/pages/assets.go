package pages

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

// AssetsPath is the prefix of the paths that Assets serves, by GET.
const AssetsPath = "/assets/"

// asset is a file that pages load. Its path depends on its content.
type asset struct {
	path        string
	contentType string
	body        []byte
}

// newLogo returns nil for an empty logo.
func newLogo(logo []byte) (*asset, error) {
	if len(logo) == 0 {
		return nil, nil
	}
	contentType, err := branding.LogoType(logo)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	extension := map[string]string{branding.PNG: ".png", branding.SVG: ".svg"}[contentType]
	return &asset{path: AssetsPath + fingerprint(logo) + extension, contentType: contentType, body: bytes.Clone(logo)}, nil
}

// IsAsset reports whether pages with some logo have an asset at this path.
func IsAsset(urlPath string) bool {
	name, ok := strings.CutPrefix(urlPath, AssetsPath)
	extension := path.Ext(name)
	hash, err := hex.DecodeString(strings.TrimSuffix(name, extension))
	return ok && err == nil && len(hash) == fingerprintSize && (extension == ".png" || extension == ".svg")
}

// Assets serves the files that the pages load, under AssetsPath.
func (p *Pages) Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.logo == nil || r.URL.Path != p.logo.path {
			p.Problem(w, ProblemView{Problem: NotFound})
			return
		}
		h := w.Header()
		h.Set("Content-Type", p.logo.contentType)
		h.Set("Content-Length", strconv.Itoa(len(p.logo.body)))
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		// An SVG that a user opens directly is a document, which could run
		// scripts in the broker's origin.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Del("Access-Control-Allow-Origin")
		h.Del("Access-Control-Expose-Headers")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(p.logo.body)
	})
}
