package environment

import (
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Pages is the content of the pages for users, which only brokered mode has.
type Pages struct {
	// BrandName (BRAND_NAME) is the operator's name on the pages. Default: the
	// host of the issuer.
	BrandName string
	// BrandLogo (BRAND_LOGO) is the path of a PNG or SVG file for the pages.
	BrandLogo string
	// BrandAccent (BRAND_ACCENT) is the accent colour of the pages, as #rrggbb.
	BrandAccent string
	// ScopeDescriptions (SCOPE_DESCRIPTIONS) has the text for each scope on the
	// consent page: a JSON object of scope and text.
	ScopeDescriptions map[string]string
}

// pages needs the issuer and the scopes. It only checks that the logo exists:
// package pages checks its content.
func pages(e *env, c *Config) {
	if u, err := url.Parse(c.Issuer); err == nil {
		c.BrandName = e.or("BRAND_NAME", u.Host)
	}
	if c.BrandLogo = e.getenv("BRAND_LOGO"); c.BrandLogo != "" {
		if _, err := os.Stat(c.BrandLogo); err != nil {
			e.fault("BRAND_LOGO", "%v", err)
		}
	}
	if c.BrandAccent = e.getenv("BRAND_ACCENT"); c.BrandAccent != "" && !isColour(c.BrandAccent) {
		e.fault("BRAND_ACCENT", "%q is not a colour such as #0b5fff", c.BrandAccent)
	}
	if v := e.getenv("SCOPE_DESCRIPTIONS"); v != "" && !decode(v, &c.ScopeDescriptions) {
		e.fault("SCOPE_DESCRIPTIONS", `must be a JSON object such as {"mcp/read":"Read your notes"}`)
	}
	for _, s := range slices.Sorted(maps.Keys(c.ScopeDescriptions)) {
		if !slices.Contains(c.Scopes, s) {
			e.fault("SCOPE_DESCRIPTIONS", "%q is not among SCOPES", s)
		}
	}
}

func isColour(s string) bool {
	rest, ok := strings.CutPrefix(s, "#")
	return ok && len(rest) == 6 && isOf("0123456789abcdefABCDEF", rest)
}
