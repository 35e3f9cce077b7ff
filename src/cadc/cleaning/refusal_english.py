"""Refusals in English (ours). Case-insensitive regular expressions for texts with straight apostrophes."""

from __future__ import annotations

from cadc.cleaning.words import one_of

#: The image that a question is about.
PICTURE = one_of(
    r"(?:attachments? | figures? | images? | photographs? | photos? | pictures? | screenshots? | videos? |"
    r" visual (?:content|input)s?)(?: (?:data|files?|links?|urls?))?\b"
)
_GIVEN = r"(?:attached|included|provided|sent|shared|supplied|uploaded)"
_CHAT = r"(?:our|the|this|your) (?:\w+ )?(?:chat|conversation|message|prompt|query|question|request)"
_NOT_ELSEWHERE = rf"(?! (?:because|due|by|with (?!me|{_CHAT})|on (?!my)|at|for (?!me)|of|(?:to|in) (?!{_CHAT}))\b)"
#: How the sentence continues if it is about the whole image rather than one of its parts.
_ALONE = (
    r"(?=\W*$|\s*[.,;:!?()—–]|"
    rf" (?:and|as|at (?:all|present|the moment|this time)|but|currently|directly|due to|either|for (?:some|you)|here|"
    rf"in {_CHAT}|itself|mentioned|now|or|referenced|right now|since|so|that (?:has|is|was|you)|to (?:answer|describe)|"
    rf"{_GIVEN}|which|without|yet|you|"
    r"because (?:i|no|of|there (?:is|was) no|(?:it|the \w+) (?:could|did|has|is|was)(?: not|n't)|you))\b)"
)
_CANT = (
    r"(?:can ?not|can't|could not|couldn't|(?:'m|'re|am|are|was|were) (?:not able|not capable|unable)|wasn't able|"
    r"will not|won't)(?: be able)?(?: to| of)?(?: (?:actually|currently|directly|personally|physically|properly|"
    r"really))?"
)
_I_CANT = rf"\b(?:i|we) ?(?:currently |just |really |simply )?(?>{_CANT})"
_PERCEIVE = (
    r"(?:access|analy[sz]e|display|examine|interpret|load|look at|open|process|see|view)(?:ing)?(?: (?:and|or) \w+)?"
)
_THE = r"(?:(?:actual|an?|any|attached|given|provided|that|the|these|this|those|uploaded|your) )*"
#: The image can't be seen: never an answer.
BLIND = one_of(
    rf"""
    (?:{_I_CANT}|\b(?:i|we) (?:do not|don't) have (?:any |the )?(?:ability|capability|capacity|means) (?:of|to)|
    ^(?:sorry,? )?(?:can't|cannot|unable to)) {_PERCEIVE} {_THE}{PICTURE}{_ALONE} |
    \b(?:i|we) (?:do not|don't) (?:currently )?have (?:any |direct )?access to {_THE}{PICTURE}{_ALONE} |
    \bthere(?:'s| is) no way for me to {_PERCEIVE} {_THE}{PICTURE}{_ALONE} |
    \b(?:i|we) (?:do not|don't) have {_THE}{PICTURE} (?:in front of (?:me|us)|to (?:go by|look at))\b |
    \b(?:can you|could you)(?: please)? (?:kindly )?(?:re-?)?(?:attach|provide|send|share|try uploading|
    upload) (?:me )?{_THE}{PICTURE}[^.!?]{{0,30}}(?:again\b|for me\b|\bi(?:'d|'ll| can| could| will| would)\b) |
    \b(?:if you(?: can| could)?|please) (?:kindly )?(?:re-?)?(?:attach|provide|send|share|try uploading|
    upload) (?:me )?{_THE}{PICTURE}[^.!?]{{0,30}}(?:(?:for|like|want) me\b|\bi(?:'d|'ll| can| could| will| would)\b) |
    \bi(?:'d|'ll| will| would)? need (?:to (?:see|view)|you to (?:attach|provide|send|share|upload)) {_THE}{PICTURE} |
    \bwithout (?:access to|(?:actually |being able to )?(?:see|view)(?:ing)?) {_THE}{PICTURE}\s*,? (?:i|
    it(?:'s| is))\b |
    \b(?:i|we) (?:(?:do not|don't) have (?:any |the )?|have no |lack (?:any |the )?)(?:ability|capability|capacity|
    means|way) (?:of|to) (?:perceiv|see|view)(?:e|ing)?(?: {_THE}{PICTURE}{_ALONE}|\s*(?:[.,;!]|$)) |
    \bi (?:can ?not|can't) see, (?:so )?(?:could you|please) |
    \bi(?:'m| am)? (?:can )?only (?:able to |capable of )?(?:handl|process|read|see|understand|work with)(?:e|
    ing)? text |
    \bi (?:have not|haven't|was not|wasn't) (?:been )?(?:given|provided|shown)(?: with)? (?:an|any|the) {PICTURE} |
    \byou (?:did not|didn't|forgot to|have not|haven't|(?:may|might|seem to) have forgotten to) (?:attach|include|
    provide|send|sent|share|upload)(?:d|ed)? (?:me )?(?:any |an? |the |your )?{PICTURE}
    """
)
#: There is no image, or it did not arrive: may answer a question about pictures in the image.
MISSING = one_of(
    rf"""
    \b(?:(?:i|we) (?:can't|cannot|did not|didn't|do not|don't) (?:find|have|receive|see)|
    (?:i'm|i am|we're|we are) not (?:finding|getting|receiving|seeing)) (?:an |any |the |your )?(?:attached |
    uploaded )?{PICTURE} (?:attached|here|in {_CHAT}|to (?:analy[sz]e|describe|look at|work with)|{_GIVEN}) |
    \b(?:i|we) (?:do not|don't) see any? (?:image|photo|picture)\s*(?:[.,;!]|$) |
    \b(?:i|we) (?:did not|didn't|have not|haven't) (?:get|gotten|receive|received) (?:an|any|the|
    your) {PICTURE}{_ALONE} | \bno {PICTURE} (?:came|comes|has come) through\b |
    \byour (?:message|prompt|query|question|request) (?:did|does)(?: not|n't) (?:(?:appear|seem) to )?(?:come with|
    contain|have|include) (?:an?|any) {PICTURE} |
    \bno {PICTURE} (?:has been|is|was) (?:detected|found|received)(?: (?:here|in {_CHAT}))?\s*(?:[.,;!]|$) |
    \bno {PICTURE} (?:(?:appears to be|are|has been|have been|is|seems to be|was|were) )*{_GIVEN}\b{_NOT_ELSEWHERE} |
    \bthere(?:'s| are| is| was|(?: appears| seems) to be| does(?: not|n't) (?:appear|seem) to be| isn't| wasn't) (?:an?|
    any|no) {PICTURE} (?:(?:here|{_GIVEN})\b{_NOT_ELSEWHERE}|for me\b|(?:in|to|with) {_CHAT}|that i (?:can|could)|
    to (?:analy[sz]e|comment on|describe|examine|look at|refer to|view|work with)\b) |
    ^\W*(?:sorry,? )?(?:but )?there(?:'s| is) no {PICTURE}\s*(?:[.!,]|$) |
    \b(?:the|this|your) (?:{PICTURE}(?: (?:that )?you(?: have|'ve)?(?: just)? (?:attached|posted|provided|sent|
    shared|uploaded))?) (?:(?:are|is|was)(?: not|n't) (?:accessible|appearing|available|coming (?:through|up)|displayed|
    displaying|loading|opening|rendering|showing(?: up)?|viewable|visible|working) (?:for|on|to) (?:me|my)|
    (?:can ?not|can't|does not|doesn't|will not|won't) (?:appear|come through|display|load|open|render|
    show(?: up)?) (?:for me|on my)|(?:has|have|is|was|
    were)(?: not|n't)(?: been)? {_GIVEN}\b{_NOT_ELSEWHERE}|(?:did|does)(?: not|n't) (?:come through|load|open|
    display)\b{_NOT_ELSEWHERE}|(?:can|could)(?: ?not|n't) be (?:accessed|analy[sz]ed|displayed|downloaded|fetched|found|
    loaded|opened|processed|rendered|retrieved|viewed)\b{_NOT_ELSEWHERE}|(?:has )?failed to (?:display|load|open|
    upload)\b{_NOT_ELSEWHERE}|(?:appears to be|is|seems to be|was) (?:missing from {_CHAT}|(?:inaccessible|
    unavailable)\W*$)) |
    ^\W*(?:error:? )?(?:(?:error|problem) loading (?:the )?{PICTURE}|{PICTURE} (?:could not be loaded|failed to load|
    loading failed|not (?:attached|available|displayed|found|included|loaded|provided|shown)|unavailable))\W*$ |
    ^\s*[(<\[]+\s*(?:no {PICTURE}(?: available| {_GIVEN})?|{PICTURE} (?:missing|omitted|removed))\s*[)>\]]+\W*$
    """
)
_THAT = r"(?:any|that|the|these|this|those|your)"
_RULES = (
    r"(?:my|our|openai's|(?:the|openai) (?:content|safety|usage|use)) (?:\w+ ){0,2}?(?:capabilities|guidelines?|"
    r"polic(?:y|ies)|principles|programming|rules|standards|terms)\b"
)
#: Phrases that only decline the question itself.
DECLINED = one_of(
    rf"""
    {_I_CANT} (?:(?:assist|help)(?: you)?(?: any further)? (?:in|on|with) (?:{_THAT}|answering|identifying|providing|
    such)\b|(?:assist|help) (?:you )?(?:further|here)\b|(?:assist|help) you\s*(?:[.!]|$)|comply\b|fulfil+ (?:such|
    {_THAT})|answer {_THAT}(?: \w+)? questions?\b|(?:complete|continue with|discuss|engage (?:in|with)|process|
    respond to) (?:such|{_THAT})(?: \w+)? (?:content|conversation|file|image|photo|picture|prompt|query|question|
    request|task|topic)s?\b|(?:give|offer|provide)(?: you)?(?: with)? (?:(?:accurate|an?|any|definitive|description|
    detailed|direct|exact|further|kind|meaningful|more|of|requested|specific|such|that|the|this|type|you) )*(?:analysis|
    answers?|assistance|captions?|content|descriptions?|details|help|information|interpretation|responses?)\b|(?:create|
    generate|produce) (?:any |such |that |the |this )*(?:content|explicit|harmful|inappropriate|requested)\b|
    identify (?:(?:any|name|or|real|specific|that|the|these|this) )*(?:individuals?|people|person)\b) |
    \b(?:i|we) (?:do not|don't) (?:identify|name|recogni[sz]e) (?:(?:any|real|specific) )*(?:individuals?|people)
    (?:based|by|from|in (?:images|photos|pictures))\b |
    ^\W*(?:(?:i'm |i am )?(?:so |very )?sorry\W+(?:but )?)?(?:i )?(?:can't|cannot|will not|
    won't) do (?:so|that|this)\W*$ |
    \bi (?:have to|must|need to|will have to)(?: (?:politely|respectfully))? decline\b |
    \bi(?:'d| would) (?:prefer|rather) not (?:to )?(?:answer|comment|discuss|say)\b |
    \b(?:i|we) (?:(?:do not|don't) have|have no|lack) (?:any )?(?:eyes|vision|visual|image) ?(?:abilit|capabilit|input|
    perception|processing)?(?:y|ies)?\s*(?:[.,;!]|$) |
    \bi(?:'m not| am not| (?:do not|don't) feel) comfortable (?:with )?(?:answering|assisting|commenting|describing|
    discussing|providing)\b |
    \bi(?:'m| am) not (?:allowed|authorized|designed|permitted|programmed) to\b |
    \b(?:\w+ing {_THAT} \w+|it|that|this|{_THAT} (?:content|image|photo|picture|prompt|query|question|request|
    topic))(?: (?:appears to|may|might|seems to|would))? (?:breach(?:es)?|conflicts? with|contravenes?|goes against|
    go against|(?:be|is|'s) (?:against|in violation of|not (?:allowed|permitted) (?:by|under)|outside|prohibited by)|
    infringes?(?: on)?|violates?) {_RULES} | \b(?:because of|due to|per|under) {_RULES},? i\b |
    \bmy (?:guidelines|policies|programming|safety guidelines) (?:do not|don't|forbid|prevents?|prohibits?) |
    (?:\bnot|n't) something (?:that )?i(?:'m able to| am able to| can) (?:answer|assist|describe|discuss|do|help)\b |
    \bit (?:is|'s|was|would)(?: not|n't)?(?: be)? (?:in|un)?(?:appropriate|ethical) for me to\b
    """
)
#: "I can't tell" is an answer of somebody who looked.
_TELL = one_of(
    r"""
    (?:accurately |clearly |definitively |exactly |really )?(?:be (?:certain|sure) | confirm | count | detect |
    determine | discern | distinguish | estimate | find | guess | help (?:but|it) | identify | judge | know | locate |
    make out | measure | read | recogni[sz]e | say | see | spot | tell | think | verify)
    """
)
#: An apology with "I can't", which a letter or a character may also say.
SORRY = one_of(
    rf"""
    \b(?:afraid|apologies|apologi[sz]e|regret|sorry|
    unfortunately)\b[.!]?[^.!?]{{0,40}}?(?:{_I_CANT}(?! (?:{_TELL})\b)(?: \w+|$)|\bi (?:do not|don't) (?:have (?:access|
    any information|enough information|sufficient|the ability)|know\b(?! (?:how|if|that|the|what|when|where|which|who))|
    understand (?:the|your) (?:question|request))) |
    ^(?:i'm |i am )?(?:so |very )?sorry,? (?:but )?(?:i can't|i cannot|no)\s*[.!]?$ |
    ^(?:(?:my )?apologies|(?:i'm |i am )?(?:so |very )?sorry)[,.;:!]? (?:but )?(?:can ?not|can't|not able to|unable to|
    will not|won't) (?:answer|assist|be able to|comment|comply|describe|do (?:it|so|that|this)|fulfil|help|
    identify (?:\w+ )?(?:individuals?|people|person)|name (?:\w+ )?(?:individuals?|people|person)|process|
    provide|respond)\b |
    ^(?:i )?(?:can ?not|can't|unable to) (?:assist|do|help)(?: you)?(?: with)? (?:that|this)(?: one| request)?[,.]?
    (?:i'm |so )?sorry\b
    """
)
