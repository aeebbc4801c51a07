package branding_test

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

func TestLogoType(t *testing.T) {
	const svg = `<svg xmlns="http://www.w3.org/2000/svg"/>`
	for _, tt := range []struct{ image, want, fault string }{
		{"\x89PNG\r\n\x1a\n...", branding.PNG, ""},
		{svg, branding.SVG, ""},
		{"\xef\xbb\xbf\n" + svg, branding.SVG, ""},
		{"<?xml version='1.0'?>\n" + svg, branding.SVG, ""},
		{"<!-- made by hand -->" + svg, branding.SVG, ""},
		{svg + strings.Repeat(" ", branding.MaxLogo-len(svg)), branding.SVG, ""},
		{svg + strings.Repeat(" ", branding.MaxLogo), "", "the logo has 65577 bytes; at most 65536"},
		{"", "", "the logo is neither a PNG nor an SVG image"},
		{"GIF89a", "", "the logo is neither a PNG nor an SVG image"},
		{"<html>" + svg, "", "the logo is neither a PNG nor an SVG image"}, // a browser would show it as a page
		{"<?xml version='1.0'?><html/>", "", "the logo is neither a PNG nor an SVG image"},
	} {
		got, err := branding.LogoType([]byte(tt.image))
		fault := ""
		if err != nil {
			fault = err.Error()
		}
		if got != tt.want || fault != tt.fault {
			t.Errorf("LogoType(%.40q) = %q, %q, want %q, %q", tt.image, got, fault, tt.want, tt.fault)
		}
	}
}

func TestParseColour(t *testing.T) {
	if got, err := branding.ParseColour("#0B5fff"); err != nil || got != [3]uint8{0x0b, 0x5f, 0xff} {
		t.Errorf("ParseColour(#0B5fff) = %v, %v", got, err)
	}
	for _, s := range []string{"", "#", "0b5fff", "#0b5ff", "#0b5fff0", "#0b5ffg", "blue", "##b5fff"} {
		if got, err := branding.ParseColour(s); err == nil {
			t.Errorf("ParseColour(%q) = %v, want an error", s, got)
		}
	}
}

func TestIsVisible(t *testing.T) {
	for s, want := range map[string]bool{
		"Example & Sons": true, "日本語": true, "e\u0301cole": true, "☀\ufe0f": true, "متصفح": true,
		"": false, " ": false, "\u3000": false, "\u0301": false, "\ufe0f": false,
		"a\u202eb": false, "a\u200bb": false, "a\x07": false, "a\nb": false, "\u3164": false, "a\u2028b": false, "a\xff": false,
	} {
		if got := branding.IsVisible(s); got != want {
			t.Errorf("IsVisible(%q) = %t, want %t", s, got, want)
		}
	}
}
