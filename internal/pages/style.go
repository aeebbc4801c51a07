package pages

import _ "embed"

//go:embed style.css
var stylesheet string
