// Package pages renders what people see of the broker: the consent page, the
// page that goes on to the client by itself, and the pages that say what went
// wrong. It knows no protocol state; handlers tell it what to show.
//
// Whatever a client named is hostile: it is escaped, isolated from the text
// around it, cut, and freed of characters that cannot be seen; nothing of it is
// loaded and none of it is a link, but for the redirect URI. Pages need no
// script and allow none.
//
// The pages are put together by code and not by html/template: that package
// calls methods by name, so the linker has to keep every method of every type,
// which makes a Lambda function of ours twice as large. In its stead the
// compiler tells markup from text, see page. The package is as long as it is
// because it holds all text as well.
package pages
