package pages

import "strings"

// messages has all texts of the pages in one language. {x} in a message is a
// placeholder; the comments name them. A language must have all messages,
// except those whose comments allow an empty one.
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

	Website   text // heading above the client: a website
	Device    text // an app on this device, shown instead of a host
	DeviceAsk text // heading above the client: an app on this device
	Scheme    text // {scheme}: how the response gets to an app on this device
	// DeviceThrough and Through replace Device and Scheme if a website hands the
	// response on to an app on this device. {host}
	DeviceThrough text
	Through       text
	// Warning is for an app on this device: any program can pose as it.
	Warning text
	// Started is for every client: all users of a hosted client share its redirect
	// URI and its client_id, so that the page cannot tell who began the sign-in.
	Started     text
	Punycode    text // the host is an A-label of letters outside ASCII
	Named       text // label of the name
	Nameless    text
	Unverified  text
	GivenByApp  text // heading: other unverified metadata of the app
	HomePage    text
	Policy      text
	Terms       text
	SignedIn    text // heading: account
	Switch      text // button
	May         text // heading: what the app may do
	Server      text // label of the MCP server's address
	Identity    text // the app learns who the user is
	IdentityHow text
	// Described has the scopes of OpenID Connect, for which the operator needs no
	// description.
	Described map[string]text
	Remember  text // {days}
	Again     text // the user will be asked again
	Allow     text // button
	Cancel    text // button
	// WhatNow explains the buttons. {host}; WhatNowDevice for an app on this
	// device.
	WhatNow       text
	WhatNowDevice text
}

type nameText struct {
	Cut       text // {length}: the name was cut off; its full length
	Hidden    text
	Lookalike text
}

type onwardText struct {
	ToHost       text // {host}: heading of the page that redirects to the client
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
	NotFollowed  text // {host}: why there is no automatic redirect
	NotForwarded text // {scheme}: the same for an app on this device
	NotThrough   text // {host}: the same for an app behind a website that hands the response on
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
	Contact   text // heading of the operator's contact
	Technical text // heading
	Reference text // label of the request id
	Detail    text // label of the detail for a developer
}

// explanation is the text of an error page.
type explanation struct {
	Title text
	What  text
	ToDo  text
}

// clientHelp explains how to make a client register again.
type clientHelp struct {
	Client text
	Steps  text
}

// languages are the languages of the pages; the first is the default.
var languages = []*messages{&english}

// messagesFor returns the messages in the first available language of a list:
// ui_locales, separated by spaces (OpenID Connect Core §3.1.2.1), or
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

// parentLanguage removes the last subtag: fr-CA becomes fr (RFC 4647 §3.4).
func parentLanguage(tag string) string {
	return tag[:max(strings.LastIndexByte(tag, '-'), 0)]
}
