// Building and updating the page. Every text goes in as a text node, so nothing that comes from outside (a service's
// name, an operator's reason, a provider's error) is ever read as markup. There is no way here to set HTML or a style,
// and none must be added.

// Characters that turn the direction of writing would let one text pass for another ("gnp.exe" for "exe.png").
const TURNING = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function textNode(text) {
    return document.createTextNode(text.replace(TURNING, "\ufffd"));
}

function flatten(children) {
    return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false)
        .map((c) => (c instanceof Node ? c : textNode(String(c))));
}

// h("p", {class: "x", "data-key": 1}, "text", node, [more], null) makes an element. null and false are left out.
export function h(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
        if (value !== null && value !== undefined && value !== false) {
            element.setAttribute(key, value === true ? "" : String(value));
        }
    }
    element.append(...flatten(children));
    return element;
}

function key(node) {
    return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}

function isSame(before, after) {
    return before.nodeType === after.nodeType && before.nodeName === after.nodeName && key(before) === key(after);
}

// What the reader has opened stays open, whatever the new tree says.
function isReaders(element, attribute) {
    return attribute === "open" && element.nodeName === "DETAILS";
}

function patchAttributes(before, after) {
    for (const {name} of [...before.attributes]) {
        if (!after.hasAttribute(name) && !isReaders(before, name)) {
            before.removeAttribute(name);
        }
    }
    for (const {name, value} of [...after.attributes]) {
        if (before.getAttribute(name) !== value && !isReaders(before, name)) {
            before.setAttribute(name, value);
        }
    }
}

function patchNode(before, after) {
    if (before.nodeType !== Node.ELEMENT_NODE) {
        if (before.nodeValue !== after.nodeValue) {
            before.nodeValue = after.nodeValue;
        }
        return;
    }
    patchAttributes(before, after);
    patch(before, [...after.childNodes]);
}

// Makes the children of `parent` like `children`, touching only what differs: focus, selection, scrolling and opened
// details survive a poll. Elements with a data-key are found again wherever they have moved to.
export function patch(parent, children) {
    const keyed = new Map([...parent.children].filter((c) => key(c) !== null).map((c) => [key(c), c]));
    let at = parent.firstChild;
    for (const after of flatten(children)) {
        const found = key(after) === null ? at : keyed.get(key(after));
        if (found && isSame(found, after)) {
            if (found === at) {
                at = at.nextSibling;
            } else {
                parent.insertBefore(found, at);
            }
            patchNode(found, after);
        } else {
            parent.insertBefore(after, at);
        }
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}
