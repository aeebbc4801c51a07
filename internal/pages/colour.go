package pages

import (
	"encoding/hex"
	"fmt"
	"math"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

// colour is an sRGB colour.
type colour [3]uint8

var (
	white         = colour{0xff, 0xff, 0xff}
	black         = colour{0x00, 0x00, 0x00}
	defaultAccent = colour{0x1f, 0x5f, 0xbf}

	// The surfaces with the least contrast to accents, --fill in style.css.
	lightFill = colour{0xf6, 0xf7, 0xf9}
	darkFill  = colour{0x23, 0x28, 0x31}
)

// Ratios of WCAG 2.2, level AA.
const (
	textContrast   = 4.5 // 1.4.3
	objectContrast = 3.0 // 1.4.11
)

func parseColour(s string) (colour, error) {
	c, err := branding.ParseColour(s)
	if err != nil {
		return c, fmt.Errorf("pages: the accent %w", err)
	}
	return c, nil
}

func (c colour) String() string { return "#" + hex.EncodeToString(c[:]) }

// luminance returns the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	l := 0.0
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

// contrast returns the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// withContrast returns c mixed with end, as little as possible for the ratio to
// the surface.
func (c colour) withContrast(surface, end colour, ratio float64) colour {
	const steps = 64
	for i := range steps {
		var mixed colour
		for j := range c {
			mixed[j] = uint8((int(c[j])*(steps-i) + int(end[j])*i) / steps)
		}
		if contrast(mixed, surface) >= ratio {
			return mixed
		}
	}
	return end
}

// textColour returns the colour of text on c, white or black: one of the two
// always has enough contrast.
func (c colour) textColour() colour {
	if contrast(c, white) >= textContrast {
		return white
	}
	return black
}

// palette has the colours of light and of dark pages.
type palette struct {
	light, dark tint
}

type tint struct {
	button, onButton, edge, link colour
}

func newPalette(accent colour) palette {
	on := func(surface, end colour) tint {
		return tint{accent, accent.textColour(), accent.withContrast(surface, end, objectContrast), accent.withContrast(surface, end, textContrast)}
	}
	return palette{light: on(lightFill, black), dark: on(darkFill, white)}
}

func (p palette) css() string {
	return ":root{" + p.light.css() + "}@media (prefers-color-scheme:dark){:root{" + p.dark.css() + "}}\n"
}

func (t tint) css() string {
	return "--button:" + t.button.String() + ";--on-button:" + t.onButton.String() + ";--button-edge:" + t.edge.String() + ";--link:" + t.link.String()
}
