// Package branding is a value: the rules for the operator's name, colour, logo
// and contact, which the configuration is checked against and the pages rely on.
package branding

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLogo is the maximum size of a logo, in bytes.
const MaxLogo = 64 << 10

// The media types of a logo.
const (
	PNG = "image/png"
	SVG = "image/svg+xml"
)

// LogoType returns the media type of a logo, or an error if the image is too
// large or is neither PNG nor SVG.
func LogoType(image []byte) (string, error) {
	switch {
	case len(image) > MaxLogo:
		return "", fmt.Errorf("the logo has %d bytes; at most %d", len(image), MaxLogo)
	case bytes.HasPrefix(image, []byte("\x89PNG\r\n\x1a\n")):
		return PNG, nil
	case isSVG(image):
		return SVG, nil
	}
	return "", errors.New("the logo is neither a PNG nor an SVG image")
}

func isSVG(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	start := bytes.HasPrefix(b, []byte("<svg")) || bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<!--"))
	return start && bytes.Contains(b, []byte("<svg"))
}

// ParseColour reads a colour, "#rrggbb".
func ParseColour(s string) (rgb [3]uint8, err error) {
	digits, ok := strings.CutPrefix(s, "#")
	if n, err := hex.Decode(rgb[:], []byte(digits[:min(len(digits), 6)])); !ok || len(digits) != 6 || err != nil || n != 3 {
		return rgb, fmt.Errorf("%q is not a colour such as #1f5fbf", s)
	}
	return rgb, nil
}

// IsSpace reports whether r is white space.
func IsSpace(r rune) bool {
	return r == '\t' || r == '\n' || r == '\v' || r == '\f' || r == '\r' || unicode.Is(unicode.Zs, r)
}

// IsSelector reports whether r selects the glyph of the character before it, as
// in many emoji.
func IsSelector(r rune) bool {
	return 0xFE00 <= r && r <= 0xFE0F || 0xE0100 <= r && r <= 0xE01EF
}

// IsHidden reports whether r affects the text around it, is invisible, or is
// not text.
func IsHidden(r rune) bool {
	switch r {
	case utf8.RuneError,
		0x034F,                         // combining grapheme joiner
		0x115F, 0x1160, 0x3164, 0xFFA0, // Hangul fillers
		0x17B4, 0x17B5, // Khmer inherent vowels
		0x180B, 0x180C, 0x180D, 0x180F, // Mongolian variation selectors
		0x2800,  // Braille blank
		0x1D159: // null note head
		return true
	}
	return !unicode.IsGraphic(r) // controls, formats, line ends, private use, unassigned
}

// IsVisible reports whether s has a character that shows, and none that is
// hidden.
func IsVisible(s string) bool {
	shows := func(r rune) bool { return !IsSpace(r) && !IsSelector(r) && !unicode.Is(unicode.M, r) }
	return strings.ContainsFunc(s, shows) && !strings.ContainsFunc(s, func(r rune) bool {
		return IsHidden(r) && !IsSelector(r)
	})
}
