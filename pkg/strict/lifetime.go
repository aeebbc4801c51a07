package strict

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Lifetime is a time in a document: a number and the unit m, h or d, as in
// "30m", "12h" or "7d". 0 is an absent member. Its field needs the tag range.
type Lifetime time.Duration

// day is the longest unit.
const day = 24 * time.Hour

// MarshalText returns the lifetime in its largest unit, as in "7d".
func (l Lifetime) MarshalText() ([]byte, error) {
	d, unit, letter := time.Duration(l), time.Minute, "m"
	switch {
	case d%day == 0:
		unit, letter = day, "d"
	case d%time.Hour == 0:
		unit, letter = time.Hour, "h"
	}
	return []byte(strconv.FormatInt(int64(d/unit), 10) + letter), nil
}

// String returns the lifetime as it stands in a document.
func (l Lifetime) String() string {
	b, _ := l.MarshalText()
	return string(b)
}

func (l *Lifetime) decode(path string, tree any, tag reflect.StructTag, f *Faults) {
	low, high, _ := strings.Cut(tag.Get("range"), "..")
	s, _ := tree.(string)
	life, ok := ParseLifetime(s)
	least, _ := ParseLifetime(low)
	most, _ := ParseLifetime(high)
	if !ok || life < least || life > most {
		f.Add(path, `must be minutes, hours or days as in "30m", "12h" or "7d", from %s to %s%s`, low, high, hint(tag))
		return
	}
	*l = Lifetime(life)
}

// ParseLifetime reads a lifetime, and returns false if s does not have the form of
// one.
func ParseLifetime(s string) (life time.Duration, ok bool) {
	if s == "" {
		return 0, false
	}
	number, unit := s[:len(s)-1], time.Minute
	switch s[len(s)-1] {
	case 'm':
	case 'h':
		unit = time.Hour
	case 'd':
		unit = day
	default:
		return 0, false
	}
	// Seven digits are enough for a minute's multiple of ten years. A Duration
	// holds 292 years, which seven digits of days would exceed.
	if number == "" || len(number) > 7 || number[0] == '0' || strings.Trim(number, digits) != "" {
		return 0, false
	}
	n, _ := strconv.Atoi(number)
	if n > int((1<<63-1)/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
