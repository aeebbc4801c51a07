package main

import (
	"strconv"
	"strings"
	"time"
)

// lifetimes returns a pattern for the lifetimes from least to most, in each unit.
func lifetimes(least, most time.Duration) string {
	var units []string
	for _, u := range []struct {
		letter string
		unit   time.Duration
	}{{"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		low, high := int((least+u.unit-1)/u.unit), int(most/u.unit)
		if low <= high {
			units = append(units, "("+strings.Join(numbers(low, high), "|")+")"+u.letter)
		}
	}
	return "^(" + strings.Join(units, "|") + ")$"
}

// numbers returns patterns for the integers from low to high, which are not
// negative. Each is for those of one length with the same first digits.
func numbers(low, high int) []string {
	var patterns []string
	for low <= high {
		// The block that begins with low has as many free digits as low has zeros
		// at its end, and ends before high.
		block := 1
		for low%(block*10) == 0 && low > 0 && low+block*10-1 <= high {
			block *= 10
		}
		// Blocks side by side that differ in one digit only are one pattern.
		digit := low / block % 10
		last := digit
		for last < 9 && low+(last-digit+2)*block-1 <= high {
			last++
		}
		patterns = append(patterns, digits(low/block/10, digit, last, len(strconv.Itoa(block))-1))
		low += (last - digit + 1) * block
	}
	return patterns
}

// digits returns a pattern for numbers: prefix, a digit from first to last, and
// free digits.
func digits(prefix, first, last, free int) string {
	var b strings.Builder
	if prefix > 0 {
		b.WriteString(strconv.Itoa(prefix))
	}
	if first == last {
		b.WriteString(strconv.Itoa(first))
	} else {
		b.WriteString("[" + strconv.Itoa(first) + "-" + strconv.Itoa(last) + "]")
	}
	if free > 0 {
		b.WriteString("[0-9]")
	}
	if free > 1 {
		b.WriteString("{" + strconv.Itoa(free) + "}")
	}
	return b.String()
}
