package pages

import (
	"strings"
	"testing"
)

func TestContrast(t *testing.T) {
	for _, tt := range []struct {
		a, b colour
		want float64
	}{
		{white, black, 21},
		{white, white, 1},
		{colour{0x76, 0x76, 0x76}, white, 4.54}, // the lightest grey allowed for text on white
	} {
		if got := contrast(tt.a, tt.b); got < tt.want-0.01 || got > tt.want+0.01 {
			t.Errorf("contrast(%v, %v) = %.3f, want %.2f", tt.a, tt.b, got, tt.want)
		}
	}
}

// For any accent, text on buttons and links has enough contrast, and buttons
// have an edge.
func TestEveryAccentYieldsColoursWithContrast(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				p := newPalette(colour{uint8(r), uint8(g), uint8(b)})
				check := func(what string, fore, back colour, want float64) {
					if got := contrast(fore, back); got < want {
						t.Errorf("accent #%02x%02x%02x: %s: contrast(%v, %v) = %.2f, want at least %v", r, g, b, what, fore, back, got, want)
					}
				}
				check("text of a button", p.light.onButton, p.light.button, 4.5)
				check("text of a button, dark", p.dark.onButton, p.dark.button, 4.5)
				check("link", p.light.link, lightFill, 4.5)
				check("link, dark", p.dark.link, darkFill, 4.5)
				check("edge", p.light.edge, lightFill, 3)
				check("edge, dark", p.dark.edge, darkFill, 3)
			}
		}
	}
}

func TestAccentWithContrastIsUnchanged(t *testing.T) {
	if got := newPalette(colour{0x1f, 0x5f, 0xbf}).light; got.button.String() != "#1f5fbf" || got.link.String() != "#1f5fbf" {
		t.Errorf("newPalette(#1f5fbf).light = %v, want the accent for button and link", got)
	}
}

func TestStyleSheetHasTheFillColours(t *testing.T) {
	light, dark, _ := strings.Cut(stylesheet, "@media (prefers-color-scheme: dark)")
	for _, tt := range []struct {
		css  string
		fill colour
	}{{light, lightFill}, {dark, darkFill}} {
		if want := "--fill: " + tt.fill.String() + ";"; !strings.Contains(tt.css, want) {
			t.Errorf("style.css has no %s", want)
		}
	}
}
