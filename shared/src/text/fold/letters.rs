//! Letters that Unicode does not decompose, and the letters that people without a suitable keyboard type
//! instead.

/// The replacement for the decomposed and case-folded letter `c`; `None` if it stays.
pub(super) fn spelled(c: char) -> Option<&'static str> {
    Some(match c {
        ..='\u{7f}' => return None,
        // Latin: the rules of PostgreSQL's `unaccent` beyond Unicode's decompositions.
        'ᴀ' | 'ᶏ' | 'ⱥ' => "a",
        'ꜳ' => "aa",
        'æ' | 'ᴁ' => "ae",
        'ꜵ' => "ao",
        'ꜷ' => "au",
        'ꜹ' | 'ꜻ' => "av",
        'ꜽ' => "ay",
        'ƀ' | 'ƃ' | 'ɓ' | 'ʙ' | 'ᴃ' | 'ᵬ' | 'ᶀ' => "b",
        'ƈ' | 'ȼ' | 'ɕ' | 'ᴄ' | 'ꞓ' => "c",
        'ð' | 'đ' | 'ƌ' | 'ȡ' | 'ɖ' | 'ɗ' | 'ᴅ' | 'ᴆ' | 'ᵭ' | 'ᶁ' | 'ᶑ' | 'ꝱ' | 'ꝺ' => {
            "d"
        }
        'ȸ' => "db",
        'ʣ' | 'ʥ' => "dz",
        'ɇ' | 'ɛ' | 'ᴇ' | 'ᶒ' | 'ᶓ' | 'ⱸ' => "e",
        'ƒ' | 'ᵮ' | 'ᶂ' | 'ꜰ' | 'ꝼ' => "f",
        'ǥ' | 'ɠ' | 'ɡ' | 'ɢ' | 'ʛ' | 'ᶃ' | 'ꞡ' => "g",
        'ħ' | 'ɦ' | 'ɧ' | 'ʜ' | 'ⱨ' => "h",
        'ƕ' => "hv",
        'ı' | 'ɨ' | 'ɩ' | 'ɪ' | 'ᵻ' | 'ᶖ' => "i",
        'ȷ' | 'ɉ' | 'ɟ' | 'ʝ' | 'ᴊ' => "j",
        'ƙ' | 'ᴋ' | 'ᶄ' | 'ⱪ' | 'ꝁ' | 'ꝃ' | 'ꝅ' | 'ꞣ' => "k",
        'ł' | 'ƚ' | 'ȴ' | 'ɫ' | 'ɬ' | 'ɭ' | 'ʟ' | 'ᴌ' | 'ᶅ' | 'ⱡ' | 'ꝇ' | 'ꝉ' | 'ꝲ' => "l",
        'ỻ' => "ll",
        'ʪ' => "ls",
        'ʫ' => "lz",
        'ɱ' | 'ᴍ' | 'ᵯ' | 'ᶆ' | 'ꝳ' => "m",
        'ŋ' | 'ƞ' | 'ȵ' | 'ɲ' | 'ɳ' | 'ɴ' | 'ᵰ' | 'ᶇ' | 'ꝴ' | 'ꞑ' | 'ꞥ' => "n",
        'ø' | 'ᴏ' | 'ⱺ' | 'ꝋ' | 'ꝍ' => "o",
        'œ' | 'ɶ' => "oe",
        'ƣ' => "oi",
        'ꝏ' => "oo",
        'ƥ' | 'ᴘ' | 'ᵱ' | 'ᵽ' | 'ᶈ' | 'ꝑ' | 'ꝓ' | 'ꝕ' => "p",
        'ĸ' | 'ʠ' | 'ꝗ' | 'ꝙ' => "q",
        'ȹ' => "qp",
        'ɍ' | 'ɼ' | 'ɽ' | 'ɾ' | 'ʀ' | 'ᵲ' | 'ᵳ' | 'ᶉ' | 'ꝵ' | 'ꝶ' | 'ꞧ' => "r",
        'ȿ' | 'ʂ' | 'ᵴ' | 'ᶊ' | 'ẜ' | 'ẝ' | 'ꜱ' | 'ꞩ' => "s",
        'ŧ' | 'ƫ' | 'ƭ' | 'ȶ' | 'ʈ' | 'ᴛ' | 'ᵵ' | 'ⱦ' | 'ꝷ' | 'ꞇ' => "t",
        'þ' | 'ᵺ' | 'ꝥ' | 'ꝧ' => "th",
        'ʦ' => "ts",
        'ʉ' | 'ᴜ' | 'ᵾ' | 'ᶙ' => "u",
        'ᵫ' => "ue",
        'ʋ' | 'ᴠ' | 'ᶌ' | 'ỽ' | 'ⱱ' | 'ⱴ' | 'ꝟ' => "v",
        'ꝡ' => "vy",
        'ᴡ' | 'ⱳ' => "w",
        'ᶍ' => "x",
        'ƴ' | 'ɏ' | 'ʏ' | 'ỿ' => "y",
        'ƶ' | 'ȥ' | 'ɀ' | 'ʐ' | 'ʑ' | 'ᴢ' | 'ᵶ' | 'ᶎ' | 'ⱬ' => "z",
        // Arabic: alef maksura and the yeh and keheh of Persian and Urdu, which keyboards interchange; teh
        // marbuta, which sounds like heh and is often written as heh; alef wasla.
        '\u{649}' | '\u{6cc}' => "\u{64a}",
        '\u{6a9}' => "\u{643}",
        '\u{629}' => "\u{647}",
        '\u{671}' => "\u{627}",
        _ => return None,
    })
}
