package configuration

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

func (d *checker) branding(path string, o DocumentBranding) Branding {
	b := Branding{Name: d.optionalText(path+".name", o.Name, 128)}
	if u, err := url.Parse(d.deployment.Issuer); err == nil && o.Name == nil {
		b.Name = u.Host
	}
	if o.Accent != nil {
		b.Accent = *o.Accent
		if _, err := branding.ParseColour(b.Accent); err != nil {
			d.Add(path+".accent", "must be a colour as in #1f5fbf")
		}
	}
	if o.Logo != nil {
		b.Logo = d.logo(path+".logo", *o.Logo)
	}
	return b
}

func (d *checker) logo(path, uri string) []byte {
	for _, mediaType := range []string{branding.PNG, branding.SVG} {
		text, ok := strings.CutPrefix(uri, "data:"+mediaType+";base64,")
		if !ok {
			continue
		}
		image, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || strings.ContainsAny(text, "\r\n") {
			d.Add(path, "what follows base64, is not base64")
			return nil
		}
		actual, err := branding.LogoType(image)
		switch {
		case err != nil:
			d.Add(path, "%v", err)
		case actual != mediaType:
			d.Add(path, "the image is %s and not %s", actual, mediaType)
		}
		return image
	}
	d.Add(path, "must be a data URI that begins with data:image/png;base64, or data:image/svg+xml;base64,")
	return nil
}

// optionalText checks a text for users of at most limit characters.
func (d *checker) optionalText(path string, s *string, limit int) string {
	if s == nil {
		return ""
	}
	if utf8.RuneCountInString(*s) > limit || !branding.IsVisible(*s) || *s != strings.TrimSpace(*s) {
		d.Add(path, "must have 1 to %d visible characters, and must not begin or end with a space", limit)
	}
	return *s
}
