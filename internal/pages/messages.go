package pages

import "strings"

// messages is all that the pages say, in one language. {x} in a message is a
// placeholder, filled with what its comment says. A language has all of them,
// but for those that say they may be empty.
type messages struct {
	Lang string // BCP 47
	Dir  string // ltr or rtl

	Consent consentText
	Name    nameText
	Onward  onwardText
	Problem problemText
}

type consentText struct {
	Title text // {resource}

	Website   text // what kind of asker stands below: a website
	Device    text // an app on this device, shown in place of a host
	DeviceAsk text // what kind of asker stands below: a program
	Scheme    text // {scheme}: how the answer gets to an app on this device
	// Warning is for an app on this device, which any program can pose as.
	Warning     text
	Punycode    text // the host is an A-label of letters outside ASCII
	Named       text // {name}
	Nameless    text
	Unverified  text
	GivenByApp  text // heading: what else the app says of itself
	HomePage    text
	Policy      text
	Terms       text
	SignedIn    text // heading: account
	Switch      text // button
	May         text // heading: what it may do
	Server      text // label of the MCP server's address
	Identity    text // that the app learns who the user is
	IdentityHow text
	// Described are the scopes that OpenID Connect defines, for when the
	// operator has not described them.
	Described map[string]text
	Remember  text // {days}
	Again     text // that it will be asked again
	Allow     text // button
	Cancel    text // button
	// WhatNow says what the buttons do. {host}, or of an app on this device.
	WhatNow       text
	WhatNowDevice text
}

type nameText struct {
	Cut       text // {length}: the name was cut, and how long it is
	Hidden    text
	Lookalike text
}

type onwardText struct {
	ToHost       text // {host}: heading of the page that goes on by itself
	ToDevice     text
	Leaving      text // {host}
	Opening      text // {scheme}
	Continue     text // link
	SigningOut   text // heading
	SignOutWhy   text
	SignedOut    text // heading
	SignedOutHow text

	Refused      text // heading: the page with a link back to the client
	RefusedWhy   text
	NotFollowed  text // {host}: why the browser is not sent back by itself
	NotForwarded text // the same, of an app on this device; {scheme}
	Back         text // {host}: link
	BackToDevice text // link
}

type problemText struct {
	Of        map[Problem]explanation
	Clients   text // heading of the list
	Help      []clientHelp
	Other     clientHelp
	Account   text // label
	Switch    text // button
	TryAgain  text // link
	Wait      text // {seconds}
	Technical text // heading
	Reference text // label of the request id
	Detail    text // label of what is for a developer
}

// explanation is what a problem page says.
type explanation struct {
	Title text
	What  text
	ToDo  text
}

// clientHelp says how a client registers again.
type clientHelp struct {
	Client text
	Steps  text
}

// languages are those that pages are in; the first is for everybody else.
var languages = []*messages{&english}

// messagesFor returns the messages in the first language of a list that there
// is one of: ui_locales, separated by spaces (OpenID Connect Core §3.1.2.1), or
// Accept-Language.
func messagesFor(list string) *messages {
	const maxWanted = 20
	n := 0
	for want := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		if n++; n > maxWanted {
			break
		}
		want, _, _ = strings.Cut(want, ";")
		for ; want != ""; want = parentLanguage(want) {
			for _, m := range languages {
				if strings.EqualFold(m.Lang, want) {
					return m
				}
			}
		}
	}
	return languages[0]
}

// parentLanguage cuts the last subtag: fr-CA becomes fr (RFC 4647 §3.4).
func parentLanguage(tag string) string {
	return tag[:max(strings.LastIndexByte(tag, '-'), 0)]
}
