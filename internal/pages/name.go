package pages

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/branding"
)

// The maximum length of text from outside, in characters.
const (
	maxName   = 64
	maxDetail = 400
)

// safeText is a text from outside that is safe to show.
type safeText struct {
	text string
	// cut is set if the text was cut off. length is the length of the original,
	// in characters.
	cut    bool
	length int
	// hidden is set if the original had invisible characters.
	hidden bool
	// lookalike is set if some letters look like others.
	lookalike bool
}

// visible makes a text from outside safe to show. Each run of characters that
// affect the text around it (bidirectional controls), are invisible
// (zero-width, filler and unassigned characters) or are not text (control
// characters, invalid UTF-8) becomes one U+FFFD. White space becomes single
// spaces; the third and further combining marks of a letter are removed. The
// result has at most limit characters.
func visible(s string, limit int) safeText {
	v := safeText{length: utf8.RuneCountInString(s)}
	var b strings.Builder
	n, marks := 0, 0
	var last rune // last written
	space := false
	for _, r := range s {
		switch {
		case branding.IsSpace(r):
			space = n > 0
			continue
		case branding.IsSelector(r):
			continue // selects the glyph of the character before it, as in many emoji
		case branding.IsHidden(r):
			v.hidden = true
			r = utf8.RuneError
			if last == r && !space {
				continue
			}
		case unicode.Is(unicode.M, r):
			if marks++; marks > 2 || n == 0 || space {
				v.hidden = true
				continue
			}
		}
		if !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if n == limit || space && n+1 >= limit {
			v.cut = true
			break
		}
		if space {
			b.WriteByte(' ')
			n++
			space = false
		}
		b.WriteRune(r)
		n++
		last = r
	}
	v.text = b.String()
	if strings.Trim(v.text, string(utf8.RuneError)+" ") == "" {
		v.text = "" // no visible character
	}
	v.lookalike = hasLookalikes(v.text)
	return v
}

// withEllipsis returns the text, with an ellipsis if it was cut off.
func (s safeText) withEllipsis() string {
	if s.cut {
		return s.text + "…"
	}
	return s.text
}

// hasLookalikes reports whether s has letters that look like others: a word
// with several alphabets, a word that looks Latin but is not, or letters that
// are variants of others. It is a hint and not a proof: the name is unverified
// in any case.
func hasLookalikes(s string) bool {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		var latin, other, likeLatin, letters int
		foreign := map[*unicode.RangeTable]bool{}
		for _, r := range word {
			letters++
			switch {
			case r < 0x80:
				latin++
			case isVariant(r):
				return true
			case unicode.Is(unicode.Latin, r):
				latin++
			case isEastAsian(r): // usual next to Latin without a space
			default:
				other++
				for _, t := range confusable {
					if unicode.Is(t, r) {
						foreign[t] = true
					}
				}
				if strings.ContainsRune(latinLike, r) {
					likeLatin++
				}
			}
		}
		if latin > 0 && other > 0 || len(foreign) > 1 || letters > 1 && likeLatin == letters {
			return true
		}
	}
	return false
}

var confusable = []*unicode.RangeTable{unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee}

// latinLike are letters that look like Latin ones in common typefaces.
const latinLike = "аАВеЕЅѕіІјЈКМНоОрРсСТуУхХһԁԛԜԝӏґгпиѵѴᴦ" + // Cyrillic
	"ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονικρυαγ" + // Greek
	"օսոցհզԼՏՕ" + // Armenian
	"ᎪᏴᏟᎠᎬᎻᏚᏞᎷΝᎾᏢᏒᏚᎢᏙᎳᏃ" // Cherokee

// isVariant reports whether r is another form of a letter: mathematical,
// full-width, circled, or phonetic.
func isVariant(r rune) bool {
	return 0x1D400 <= r && r <= 0x1D7FF || 0xFF21 <= r && r <= 0xFF5A || 0x2100 <= r && r <= 0x214F ||
		0x24B6 <= r && r <= 0x24E9 || 0x1F110 <= r && r <= 0x1F189 || 0x0250 <= r && r <= 0x02AF || 0x1D00 <= r && r <= 0x1D7F
}

func isEastAsian(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo)
}
