package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxTokens bounds what a request may ask of the provider.
const maxTokens = 1_000_000

// Plan is what one stream will say and when. It travels as the text of the user's message, so it crosses any peer unharmed.
type Plan struct {
	Tokens int
	Pace   time.Duration // between tokens
	First  time.Duration // from the request's arrival to the first token
	Seed   uint64        // chooses the words; each stream has its own, so a mix-up of streams shows
}

func (p Plan) String() string {
	return fmt.Sprintf("tokens=%d pace_ms=%d first_ms=%d seed=%d", p.Tokens, p.Pace.Milliseconds(), p.First.Milliseconds(), p.Seed)
}

// ParsePlan reads a plan from a prompt; words it does not know are ignored, and a prompt without a plan gets eight tokens at once.
func ParsePlan(prompt string) (Plan, error) {
	plan := Plan{Tokens: 8, Seed: 1}
	for _, word := range strings.Fields(prompt) {
		name, value, found := strings.Cut(word, "=")
		if !found {
			continue
		}
		number, err := strconv.ParseUint(value, 10, 63)
		switch name {
		case "tokens", "pace_ms", "first_ms", "seed":
			if err != nil {
				return plan, fmt.Errorf("%s: %w", name, err)
			}
		}
		switch name {
		case "tokens":
			if number > maxTokens {
				return plan, fmt.Errorf("tokens: %d is more than %d", number, maxTokens)
			}
			plan.Tokens = int(number)
		case "pace_ms":
			plan.Pace = time.Duration(number) * time.Millisecond
		case "first_ms":
			plan.First = time.Duration(number) * time.Millisecond
		case "seed":
			plan.Seed = number
		}
	}
	return plan, nil
}

// vocabulary varies the tokens: LiteLLM cuts a stream after 100 equal chunks, and equal chunks would hide a lost or swapped one.
// The last ones need escapes in JSON or are not ASCII.
var vocabulary = append(strings.Split(
	"the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were "+
		"all her she there would their we him been has when who will no more if out so up said what its about than into them can "+
		"only other time new some could these two may first then do any like my now over such our man me even most made after also "+
		"did many off before must well back through years much where your way down should because long each just state people those "+
		"stream token gateway worker queue broker route model replica", " "),
	`"quoted"`, `back\slash`, "line\nbreak", "tab\t", "<b>&amp;</b>", "naïve", "日本語", "🚰")

// Token is the index-th token of the stream with this seed.
func (p Plan) Token(index int) string {
	x := p.Seed*0x9e3779b97f4a7c15 + uint64(index)*0xd1b54a32d192ed03 // splitmix64, so that neighbours differ
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return " " + vocabulary[(x^(x>>31))%uint64(len(vocabulary))]
}

// Text is the whole answer, for requests that do not stream.
func (p Plan) Text() string {
	var text strings.Builder
	for index := range p.Tokens {
		text.WriteString(p.Token(index))
	}
	return text.String()
}
