package message

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// visibleText is the text of HTML, a line for each block, without what others
// wrote. With blocks, an indented block that does not say that it is a quotation
// is the writer's.
func visibleText(source []byte, blocks bool) []byte {
	z := html.NewTokenizer(bytes.NewReader(source))
	var out []byte
	var skipped []byte // the element that is left out with all in it
	depth := 0
	for {
		switch tt := z.Next(); tt {
		case html.ErrorToken:
			return out
		case html.TextToken:
			if depth == 0 {
				for _, c := range z.Text() {
					if c == '\n' || c == '\r' {
						c = ' ' // only tags end lines here
					}
					out = append(out, c)
				}
			}
		case html.StartTagToken:
			name, attrs := z.TagName()
			switch {
			case depth > 0:
				if bytes.Equal(name, skipped) {
					depth++
				}
			case notWritten(z, name, attrs, blocks):
				skipped, depth = append(skipped[:0], name...), 1
				out = append(out, '\n')
			case !inline[string(name)]:
				out = append(out, '\n')
			}
		case html.SelfClosingTagToken, html.EndTagToken:
			name, _ := z.TagName()
			switch {
			case depth > 0:
				if tt == html.EndTagToken && bytes.Equal(name, skipped) {
					depth--
				}
			case !inline[string(name)]:
				out = append(out, '\n')
			}
		}
	}
}

// notWritten: elements that show no text, and quotations and signatures as the
// common programs mark them.
func notWritten(z *html.Tokenizer, name []byte, attrs, blocks bool) bool {
	switch atom.Lookup(name) {
	case atom.Script, atom.Style, atom.Title, atom.Template, atom.Select, atom.Textarea, atom.Noscript, atom.Iframe, atom.Noembed, atom.Noframes, atom.Svg:
		return true
	case atom.Blockquote:
		if !blocks {
			return true
		}
	case atom.Div, atom.Span, atom.Pre, atom.P, atom.Table:
	default:
		return false
	}
	for attrs {
		var key, value []byte
		key, value, attrs = z.TagAttr()
		switch string(key) {
		case "type":
			if string(value) == "cite" {
				return true
			}
		case "class", "id":
			for w := range strings.FieldsSeq(string(value)) {
				switch w {
				case "gmail_quote": // of a forwarded message too, which is no quotation
					if !blocks || string(name) == "blockquote" {
						return true
					}
				case "gmail_attr", "gmail_signature", "moz-cite-prefix", "moz-signature", "moz-email-headers-table",
					"yahoo_quoted", "divRplyFwdMsg", "OutlookMessageHeader", "protonmail_quote", "protonmail_signature_block", "Signature":
					return true
				}
			}
		}
	}
	return false
}
